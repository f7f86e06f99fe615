/* SPDX-License-Identifier: MIT */
/* module_histogram.c - Histogram, and how any histogram of the core is told to Python. */
#include "module.h"

struct histogram_object {
	PyObject_HEAD struct nb_histogram histogram;
};

/* ---- HistogramData ---- */

static int append_bucket(PyObject *list, uint32_t index, uint64_t count)
{
	PyObject *bucket = Py_BuildValue("(KKK)", (unsigned long long)nb_histogram_lower(index),
					 (unsigned long long)nb_histogram_upper(index), (unsigned long long)count);
	int code;

	if (!bucket)
		return -1;
	code = PyList_Append(list, bucket);
	Py_DECREF(bucket);
	return code;
}

static PyObject *buckets_of(const struct nb_histogram *histogram)
{
	PyObject *list = PyList_New(0);

	for (uint32_t i = 0; list && i < NB_HISTOGRAM_BUCKETS; i++) {
		if (histogram->buckets[i] && append_bucket(list, i, histogram->buckets[i]))
			Py_CLEAR(list);
	}
	return list;
}

PyObject *nb_histogram_data(const struct nb_histogram *histogram)
{
	static const struct nb_field always[] = {
		NB_FIELD(struct nb_histogram, count),
		NB_FIELD(struct nb_histogram, sum),
		NB_FIELDS_END,
	};
	static const struct nb_field extremes[] = {
		NB_FIELD(struct nb_histogram, min),
		NB_FIELD(struct nb_histogram, max),
		NB_FIELDS_END,
	};
	PyObject *dict = nb_dict_of(histogram, always);

	if (!dict)
		return NULL;
	if (histogram->count) {
		if (nb_dict_fill(dict, histogram, extremes))
			goto fail;
	} else if (PyDict_SetItemString(dict, "min", Py_None) || PyDict_SetItemString(dict, "max", Py_None)) {
		goto fail;
	}
	if (nb_dict_take(dict, "buckets", buckets_of(histogram)))
		goto fail;
	return dict;
fail:
	Py_DECREF(dict);
	return NULL;
}

/* ---- Histogram ---- */

static PyObject *histogram_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	struct histogram_object *self;

	if (nb_parse("Histogram", args, kwargs, 0, NULL, 0))
		return NULL;
	self = (struct histogram_object *)nb_object_new(type);
	if (self)
		nb_histogram_reset(&self->histogram);
	return (PyObject *)self;
}

static PyObject *histogram_record(PyObject *object, PyObject *args, PyObject *kwargs)
{
	struct histogram_object *self = (struct histogram_object *)object;
	uint64_t value = 0;
	struct nb_argument arguments[] = { NB_REQUIRED("value", &value) };

	if (NB_PARSE("record", args, kwargs, 1, arguments))
		return NULL;
	nb_histogram_record(&self->histogram, value);
	Py_RETURN_NONE;
}

static PyObject *histogram_quantile(PyObject *object, PyObject *args, PyObject *kwargs)
{
	struct histogram_object *self = (struct histogram_object *)object;
	double quantile = 0;
	struct nb_argument arguments[] = { NB_REQUIRED("quantile", &quantile) };

	if (NB_PARSE("quantile", args, kwargs, 1, arguments))
		return NULL;
	if (!(quantile >= 0 && quantile <= 1)) { /* so that NaN is refused too */
		PyErr_SetString(PyExc_ValueError, "quantile must be 0..1");
		return NULL;
	}
	if (!self->histogram.count)
		Py_RETURN_NONE;
	return PyLong_FromUnsignedLongLong(nb_histogram_quantile(&self->histogram, quantile));
}

static PyObject *histogram_data(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	return nb_histogram_data(&((struct histogram_object *)object)->histogram);
}

static PyMethodDef histogram_methods[] = {
	{ "record", (PyCFunction)(void (*)(void))histogram_record, METH_VARARGS | METH_KEYWORDS,
	  "record(value)\n\nCount one value, nanoseconds." },
	{ "quantile", (PyCFunction)(void (*)(void))histogram_quantile, METH_VARARGS | METH_KEYWORDS,
	  "quantile(quantile)\n\nValue of nearest rank, or None while empty." },
	{ "data", histogram_data, METH_NOARGS, "data()\n\nHistogramData: count, sum, min, max, buckets." },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot histogram_slots[] = {
	{ Py_tp_doc, "Log-linear counts of nanoseconds; exact count, sum, minimum and maximum beside them." },
	{ Py_tp_new, histogram_new },
	{ Py_tp_dealloc, nb_object_free },
	{ Py_tp_methods, histogram_methods },
	{ 0, NULL },
};

PyType_Spec nb_histogram_spec = {
	.name = "netbench._core.Histogram",
	.basicsize = sizeof(struct histogram_object),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = histogram_slots,
};
