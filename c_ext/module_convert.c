/* SPDX-License-Identifier: MIT */
/* module_convert.c - between Python values and C ones: arguments in, records and errors out. */
#include "module.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>

/* ---- arguments in ---- */

static int out_of_range(const char *name, uint64_t most)
{
	PyErr_Format(PyExc_ValueError, "%s must be 0..%llu", name, (unsigned long long)most);
	return -1;
}

static int parse_unsigned(const char *name, PyObject *object, uint64_t most, uint64_t *value)
{
	PyObject *number = PyNumber_Index(object); /* TypeError for a float: 1.5 packets are a mistake */
	uint64_t parsed;

	if (!number)
		return -1;
	parsed = PyLong_AsUnsignedLongLong(number);
	Py_DECREF(number);
	if (parsed == UINT64_MAX && PyErr_Occurred()) {
		PyErr_Clear();
		return out_of_range(name, most);
	}
	if (parsed > most)
		return out_of_range(name, most);
	*value = parsed;
	return 0;
}

static int parse_signed(const char *name, PyObject *object, int64_t *value)
{
	PyObject *number = PyNumber_Index(object);
	int64_t parsed;

	if (!number)
		return -1;
	parsed = PyLong_AsLongLong(number);
	Py_DECREF(number);
	if (parsed == -1 && PyErr_Occurred()) {
		PyErr_Format(PyExc_ValueError, "%s must fit 64 bits", name);
		return -1;
	}
	*value = parsed;
	return 0;
}

static int parse_double(PyObject *object, double *value)
{
	double parsed = PyFloat_AsDouble(object);

	if (parsed == -1.0 && PyErr_Occurred())
		return -1;
	*value = parsed;
	return 0;
}

static int parse_bool(PyObject *object, bool *value)
{
	int truth = PyObject_IsTrue(object);

	if (truth < 0)
		return -1;
	*value = truth;
	return 0;
}

static int parse_text(const char *name, PyObject *object, const char **value)
{
	Py_ssize_t length;
	const char *text;

	if (!PyUnicode_Check(object)) {
		PyErr_Format(PyExc_TypeError, "%s must be a str", name);
		return -1;
	}
	text = PyUnicode_AsUTF8AndSize(object, &length);
	if (!text)
		return -1;
	if ((size_t)length != strlen(text)) {
		PyErr_Format(PyExc_ValueError, "%s holds a null character", name);
		return -1;
	}
	*value = text;
	return 0;
}

static int parse_value(struct nb_argument *argument, PyObject *object)
{
	uint64_t number = 0;

	argument->given = true;
	switch (argument->kind) {
	case NB_ARGUMENT_U8:
		if (parse_unsigned(argument->name, object, UINT8_MAX, &number))
			return -1;
		*(uint8_t *)argument->value = (uint8_t)number;
		return 0;
	case NB_ARGUMENT_U16:
		if (parse_unsigned(argument->name, object, UINT16_MAX, &number))
			return -1;
		*(uint16_t *)argument->value = (uint16_t)number;
		return 0;
	case NB_ARGUMENT_U32:
		if (parse_unsigned(argument->name, object, UINT32_MAX, &number))
			return -1;
		*(uint32_t *)argument->value = (uint32_t)number;
		return 0;
	case NB_ARGUMENT_U64:
		return parse_unsigned(argument->name, object, UINT64_MAX, argument->value);
	case NB_ARGUMENT_I64:
		return parse_signed(argument->name, object, argument->value);
	case NB_ARGUMENT_DOUBLE:
		return parse_double(object, argument->value);
	case NB_ARGUMENT_BOOL:
		return parse_bool(object, argument->value);
	case NB_ARGUMENT_TEXT:
		return parse_text(argument->name, object, argument->value);
	case NB_ARGUMENT_OBJECT:
		*(PyObject **)argument->value = object;
		return 0;
	}
	Py_UNREACHABLE();
}

static int parse_positional(const char *call, PyObject *args, size_t positional, struct nb_argument *arguments)
{
	Py_ssize_t given = args ? PyTuple_Size(args) : 0;

	if (given < 0)
		return -1;
	if ((size_t)given > positional) {
		PyErr_Format(PyExc_TypeError, "%s() takes %zu arguments by position, %zd were given", call, positional,
			     given);
		return -1;
	}
	for (Py_ssize_t i = 0; i < given; i++) {
		if (parse_value(&arguments[i], PyTuple_GetItem(args, i)))
			return -1;
	}
	return 0;
}

static int parse_keyword(const char *call, PyObject *key, PyObject *value, struct nb_argument *arguments, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (PyUnicode_CompareWithASCIIString(key, arguments[i].name))
			continue;
		if (arguments[i].given) {
			PyErr_Format(PyExc_TypeError, "%s() got %U twice", call, key);
			return -1;
		}
		return parse_value(&arguments[i], value);
	}
	PyErr_Format(PyExc_TypeError, "%s() takes no argument %R", call, key);
	return -1;
}

int nb_parse(const char *call, PyObject *args, PyObject *kwargs, size_t positional, struct nb_argument *arguments,
	     size_t count)
{
	PyObject *key, *value;
	Py_ssize_t position = 0;

	if (parse_positional(call, args, positional, arguments))
		return -1;
	while (kwargs && PyDict_Next(kwargs, &position, &key, &value)) {
		if (parse_keyword(call, key, value, arguments, count))
			return -1;
	}
	for (size_t i = 0; i < count; i++) {
		if (arguments[i].required && !arguments[i].given) {
			PyErr_Format(PyExc_TypeError, "%s() needs %s", call, arguments[i].name);
			return -1;
		}
	}
	return 0;
}

int nb_parse_ipv4(const char *name, const char *text, uint8_t address[4])
{
	if (inet_pton(AF_INET, text, address) == 1)
		return 0;
	PyErr_Format(PyExc_ValueError, "%s must be an IPv4 address, not '%s'", name, text);
	return -1;
}

int nb_parse_stamp_class(const char *text, enum nb_stamp_class *stamp_class)
{
	static const char *const names[] = {
		[NB_STAMP_USER] = "user",
		[NB_STAMP_KERNEL] = "kernel",
		[NB_STAMP_HARDWARE] = "hardware",
	};
	static_assert(sizeof(names) / sizeof(names[0]) == NB_STAMP_CLASSES, "each stamp class has a name");

	for (int i = 0; i < NB_STAMP_CLASSES; i++) {
		if (!strcmp(text, names[i])) {
			*stamp_class = (enum nb_stamp_class)i;
			return 0;
		}
	}
	PyErr_Format(PyExc_ValueError, "stamp_class must be 'user', 'kernel' or 'hardware', not '%s'", text);
	return -1;
}

static int parse_element(PyObject *sequence, Py_ssize_t index, nb_parse_element parse, void *element)
{
	PyObject *item = PySequence_GetItem(sequence, index);
	PyObject *tuple = item ? PySequence_Tuple(item) : NULL;
	int code = tuple ? parse(tuple, element) : -1;

	Py_XDECREF(tuple);
	Py_XDECREF(item);
	return code;
}

void *nb_parse_sequence(const char *name, PyObject *sequence, size_t element_size, nb_parse_element parse,
			uint32_t *count)
{
	Py_ssize_t length = PySequence_Size(sequence);
	char *array;

	if (length < 0)
		return NULL;
	if (length < 1 || length > UINT16_MAX) {
		PyErr_Format(PyExc_ValueError, "%s must hold 1..%d entries, not %zd", name, UINT16_MAX, length);
		return NULL;
	}
	array = PyMem_Calloc((size_t)length, element_size);
	if (!array)
		return PyErr_NoMemory();
	for (Py_ssize_t i = 0; i < length; i++) {
		if (parse_element(sequence, i, parse, array + (size_t)i * element_size)) {
			PyMem_Free(array);
			return NULL;
		}
	}
	*count = (uint32_t)length;
	return array;
}

/* ---- records out ---- */

static PyObject *field_object(const void *record, const struct nb_field *field)
{
	const void *value = (const char *)record + field->offset;

	switch (field->kind) {
	case NB_FIELD_BOOL:
		return PyBool_FromLong(*(const bool *)value);
	case NB_FIELD_I32:
		return PyLong_FromLong(*(const int32_t *)value);
	case NB_FIELD_U16:
		return PyLong_FromLong(*(const uint16_t *)value);
	case NB_FIELD_U32:
		return PyLong_FromUnsignedLong(*(const uint32_t *)value);
	case NB_FIELD_U64:
		return PyLong_FromUnsignedLongLong(*(const uint64_t *)value);
	case NB_FIELD_I64:
		return PyLong_FromLongLong(*(const int64_t *)value);
	case NB_FIELD_DOUBLE:
		return PyFloat_FromDouble(*(const double *)value);
	}
	Py_UNREACHABLE();
}

int nb_dict_take(PyObject *dict, const char *key, PyObject *value)
{
	int code;

	if (!value)
		return -1;
	code = PyDict_SetItemString(dict, key, value);
	Py_DECREF(value);
	return code;
}

int nb_dict_fill(PyObject *dict, const void *record, const struct nb_field *fields)
{
	for (const struct nb_field *field = fields; field->key; field++) {
		if (nb_dict_take(dict, field->key, field_object(record, field)))
			return -1;
	}
	return 0;
}

PyObject *nb_dict_of(const void *record, const struct nb_field *fields)
{
	PyObject *dict = PyDict_New();

	if (dict && nb_dict_fill(dict, record, fields))
		Py_CLEAR(dict);
	return dict;
}

PyObject *nb_summary_object(const struct nb_summary *summary)
{
	static const struct nb_field fields[] = {
		NB_FIELD(struct nb_summary, count), NB_FIELD(struct nb_summary, min),
		NB_FIELD(struct nb_summary, max),   NB_FIELD(struct nb_summary, mean),
		NB_FIELD(struct nb_summary, p50),   NB_FIELD(struct nb_summary, p99),
		NB_FIELD(struct nb_summary, p99_9), NB_FIELDS_END,
	};

	if (!summary->count)
		Py_RETURN_NONE;
	return nb_dict_of(summary, fields);
}

/* ---- errors out ---- */

PyObject *nb_raise_os(const struct nb_error *error)
{
	PyObject *text, *args;

	/* Both parts are shown by str(): "[Errno 98] bind port 5004: Address already in use". */
	text = PyUnicode_FromFormat("%s: %s", error->what, strerror(-error->code));
	args = text ? Py_BuildValue("(iN)", -error->code, text) : NULL;
	if (!args)
		return NULL;
	PyErr_SetObject(PyExc_OSError, args); /* becomes PermissionError and the like by its errno */
	Py_DECREF(args);
	return NULL;
}

PyObject *nb_raise_argument(const struct nb_error *error)
{
	if (error->code == -ENOMEM)
		return PyErr_NoMemory();
	if (error->code != -EINVAL)
		return nb_raise_os(error);
	PyErr_SetString(PyExc_ValueError, error->what);
	return NULL;
}

/* ---- objects ---- */

PyObject *nb_object_new(PyTypeObject *type)
{
	allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);

	return allocate(type, 0);
}

void nb_object_free(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);
	freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

	release(self);
	Py_DECREF(type); /* an instance of a heap type holds its type */
}
