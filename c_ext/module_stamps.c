/* SPDX-License-Identifier: MIT */
/* module_stamps.c - StampCapture, and an interface's timestamp setting. */
#include "module.h"

#include "stamp_capture.h"
#include "timestamp_config.h"

struct stamps_object {
	PyObject_HEAD struct nb_stamp_capture *handle; /* owned */
	uint32_t listens;
	bool ran; /* under the GIL */
	atomic_bool stop;
};

static PyObject *stamps_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	struct nb_stamp_capture_config config = { .frames = true };
	struct nb_listen *listens = NULL;
	PyObject *sequence = NULL;
	struct nb_argument arguments[] = {
		NB_REQUIRED("interface_index", &config.interface_index),
		NB_OPTIONAL("listens", &sequence),
		NB_OPTIONAL("frames", &config.frames),
		NB_OPTIONAL("receive_buffer_bytes", &config.receive_buffer_bytes),
	};
	struct stamps_object *self = NULL;
	struct nb_error error = { 0 };

	if (NB_PARSE("StampCapture", args, kwargs, 0, arguments))
		return NULL;
	if (sequence && sequence != Py_None) {
		listens = nb_parse_sequence("listens", sequence, sizeof(*listens), nb_parse_listen,
					    &config.listen_count);
		if (!listens)
			return NULL;
		config.listens = listens;
	}
	self = (struct stamps_object *)nb_object_new(type);
	if (!self)
		goto out_free;
	self->listens = config.listen_count;
	if (nb_stamp_capture_create(&self->handle, &config, &error)) {
		nb_raise_argument(&error);
		Py_CLEAR(self);
	}
out_free:
	PyMem_Free(listens);
	return (PyObject *)self;
}

static void stamps_dealloc(PyObject *object)
{
	struct stamps_object *self = (struct stamps_object *)object;

	nb_stamp_capture_destroy(self->handle);
	nb_object_free(object);
}

struct stamps_run {
	struct nb_stamp_capture *handle;
	int64_t deadline_ns;
};

static int run_blocking(void *context, const atomic_bool *stop, struct nb_error *error)
{
	const struct stamps_run *run = context;

	return nb_stamp_capture_run(run->handle, run->deadline_ns, stop, error);
}

static PyObject *stamps_run(PyObject *object, PyObject *args, PyObject *kwargs)
{
	struct stamps_object *self = (struct stamps_object *)object;
	struct stamps_run run = { .handle = self->handle };
	uint64_t duration_ns = 0;
	struct nb_argument arguments[] = { NB_OPTIONAL("duration_ns", &duration_ns) };

	if (NB_PARSE("StampCapture.run", args, kwargs, 1, arguments) ||
	    nb_deadline_after(duration_ns, &run.deadline_ns))
		return NULL;
	if (self->ran) {
		PyErr_SetString(PyExc_RuntimeError, "a StampCapture runs once");
		return NULL;
	}
	self->ran = true;
	if (nb_run_blocking(run_blocking, &run, &self->stop))
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *stamps_stop(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	atomic_store(&((struct stamps_object *)object)->stop, true);
	Py_RETURN_NONE;
}

static PyObject *counts_object(const struct nb_stamp_counts *counts)
{
#define COUNT(member) NB_FIELD(struct nb_stamp_counts, member)
	static const struct nb_field fields[] = {
		COUNT(packets),  COUNT(hardware),     COUNT(kernel),       COUNT(compared),
		COUNT(backward), COUNT(repeated),     COUNT(equal_kernel), COUNT(first_ns),
		COUNT(last_ns),  COUNT(rate_span_ns), NB_FIELDS_END,
	};
#undef COUNT
	PyObject *dict = nb_dict_of(counts, fields);
	PyObject *rate;

	if (!dict)
		return NULL;
	rate = counts->rate_known ? PyFloat_FromDouble(counts->rate_ppm) : Py_NewRef(Py_None);
	if (nb_dict_take(dict, "rate_ppm", rate))
		Py_CLEAR(dict);
	return dict;
}

static PyObject *stamps_listens(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	struct stamps_object *self = (struct stamps_object *)object;
	PyObject *list = PyList_New(self->listens);

	for (uint32_t i = 0; list && i < self->listens; i++) {
		struct nb_stamp_counts counts;
		PyObject *dict;

		nb_stamp_capture_read_listen(self->handle, i, &counts);
		dict = counts_object(&counts);
		if (!dict || PyList_SetItem(list, i, dict))
			Py_CLEAR(list);
	}
	return list;
}

static PyObject *stamps_frames(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	static const char *const names[NB_STAMPED_KINDS] = {
		[NB_STAMPED_PTP_ETHERNET] = "ptp_ethernet",
		[NB_STAMPED_PTP_UDP] = "ptp_udp",
		[NB_STAMPED_UDP] = "udp",
		[NB_STAMPED_OTHER] = "other",
		[NB_STAMPED_ALL] = "all",
	};
	struct stamps_object *self = (struct stamps_object *)object;
	PyObject *dict = PyDict_New();

	for (int kind = 0; dict && kind < NB_STAMPED_KINDS; kind++) {
		struct nb_stamp_counts counts;

		if (!nb_stamp_capture_read_kind(self->handle, (enum nb_stamped_kind)kind, &counts)) {
			Py_DECREF(dict);
			Py_RETURN_NONE;
		}
		if (nb_dict_take(dict, names[kind], counts_object(&counts)))
			Py_CLEAR(dict);
	}
	return dict;
}

static PyObject *stamps_counts(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	static const struct nb_field fields[] = {
		NB_FIELD(struct nb_stamp_capture_counts, packets),
		NB_FIELD(struct nb_stamp_capture_counts, drops),
		NB_FIELDS_END,
	};
	struct nb_stamp_capture_counts counts;

	nb_stamp_capture_read(((struct stamps_object *)object)->handle, &counts);
	return nb_dict_of(&counts, fields);
}

static PyMethodDef stamps_methods[] = {
	{ "run", (PyCFunction)(void (*)(void))stamps_run, METH_VARARGS | METH_KEYWORDS, "run(duration_ns=0)" },
	{ "stop", stamps_stop, METH_NOARGS, "stop()" },
	{ "listens", stamps_listens, METH_NOARGS, "listens()" },
	{ "frames", stamps_frames, METH_NOARGS, "frames()" },
	{ "counts", stamps_counts, METH_NOARGS, "counts()" },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot stamps_slots[] = {
	{ Py_tp_doc, "Which packets of an interface carry a hardware stamp." },
	{ Py_tp_new, stamps_new },
	{ Py_tp_dealloc, stamps_dealloc },
	{ Py_tp_methods, stamps_methods },
	{ 0, NULL },
};

PyType_Spec nb_stamp_capture_spec = {
	.name = "netbench._core.StampCapture",
	.basicsize = sizeof(struct stamps_object),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = stamps_slots,
};

/* ---- the setting ---- */

static PyObject *setting_object(const struct nb_timestamp_config *config)
{
	static const struct nb_field fields[] = {
		NB_FIELD(struct nb_timestamp_config, tx_type),
		NB_FIELD(struct nb_timestamp_config, rx_filter),
		NB_FIELDS_END,
	};

	return nb_dict_of(config, fields);
}

PyObject *nb_timestamp_setting(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
	struct nb_timestamp_config config = { 0 };
	struct nb_error error = { 0 };
	const char *interface = NULL;
	struct nb_argument arguments[] = { NB_REQUIRED("interface", &interface) };
	int code;

	if (NB_PARSE("timestamp_setting", args, kwargs, 1, arguments))
		return NULL;
	/* Dropped: whoever asks waits while another sets an interface. */
	Py_BEGIN_ALLOW_THREADS code = nb_timestamp_config_get(interface, &config, &error);
	Py_END_ALLOW_THREADS if (code) return nb_raise_os(&error);
	return setting_object(&config);
}

PyObject *nb_set_timestamp_setting(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
	struct nb_timestamp_config config = { 0 };
	uint16_t tx_type = 0, rx_filter = 0;
	struct nb_error error = { 0 };
	const char *interface = NULL;
	struct nb_argument arguments[] = {
		NB_REQUIRED("interface", &interface),
		NB_REQUIRED("tx_type", &tx_type),
		NB_REQUIRED("rx_filter", &rx_filter),
	};
	int code;

	if (NB_PARSE("set_timestamp_setting", args, kwargs, 3, arguments))
		return NULL;
	config.tx_type = tx_type;
	config.rx_filter = rx_filter;
	/* Dropped: a driver may reset its card for this, which takes its time. */
	Py_BEGIN_ALLOW_THREADS code = nb_timestamp_config_set(interface, &config, &error);
	Py_END_ALLOW_THREADS if (code) return nb_raise_os(&error);
	return setting_object(&config);
}
