/* SPDX-License-Identifier: MIT */
/* module.h - what the files of the Python binding share. The one place that includes Python.h. */
#ifndef NB_MODULE_H
#define NB_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"
#include "status.h"
#include "stream_table.h"
#include "summary.h"

#if !defined(Py_LIMITED_API) || Py_LIMITED_API != 0x030b0000
#error "one build serves every Python from 3.11 on: build with Py_LIMITED_API=0x030b0000 (meson's limited_api)"
#endif

/*
 * Theory of operation
 *
 * The binding parses, drops the GIL where a call can block, calls the core, takes the GIL and builds Python values; it decides
 * nothing. One file per kind of object: module_histogram.c, module_table.c, module_sender.c, module_capture.c, module_writer.c;
 * their values go through module_convert.c, their blocking calls through module_run.c.
 *
 * Ownership: a Python object owns its handle of the core and destroys it in tp_dealloc alone. Whoever calls a method holds a
 * reference to the object, so a handle cannot go away while another thread is inside run().
 *
 * Locks: GIL before table lock. Whoever holds the table lock never asks for the GIL: a capture feeds the table without the
 * GIL, and a reader copies out under the table lock what it turns into Python objects after it.
 */

/* ---- module_convert.c: arguments in ---- */

enum nb_argument_kind {
	NB_ARGUMENT_U8,
	NB_ARGUMENT_U16,
	NB_ARGUMENT_U32,
	NB_ARGUMENT_U64,
	NB_ARGUMENT_I64,
	NB_ARGUMENT_DOUBLE,
	NB_ARGUMENT_BOOL,
	NB_ARGUMENT_TEXT,   /* const char *, lives as long as the arguments */
	NB_ARGUMENT_OBJECT, /* PyObject *, borrowed */
};

struct nb_argument {
	const char *name;
	enum nb_argument_kind kind;
	void *value; /* where it goes; holds the default */
	bool required;
	bool given; /* set by nb_parse() */
};

/* The kind follows from the type of the variable, so the two cannot disagree. */
#define NB_ARGUMENT_KIND(variable)               \
	_Generic((variable),                     \
		uint8_t *: NB_ARGUMENT_U8,       \
		uint16_t *: NB_ARGUMENT_U16,     \
		uint32_t *: NB_ARGUMENT_U32,     \
		uint64_t *: NB_ARGUMENT_U64,     \
		int64_t *: NB_ARGUMENT_I64,      \
		double *: NB_ARGUMENT_DOUBLE,    \
		bool *: NB_ARGUMENT_BOOL,        \
		const char **: NB_ARGUMENT_TEXT, \
		PyObject **: NB_ARGUMENT_OBJECT)
#define NB_REQUIRED(name, variable) { name, NB_ARGUMENT_KIND(variable), variable, true, false }
#define NB_OPTIONAL(name, variable) { name, NB_ARGUMENT_KIND(variable), variable, false, false }

/**
 * nb_parse() - Arguments of a call into C variables, checked against the range of each variable.
 * @call: name for messages
 * @args: positional arguments, or NULL
 * @kwargs: keyword arguments, or NULL
 * @positional: how many of @arguments may be given by position
 * @arguments: what the call takes
 * @count: their number
 *
 * Return: 0; -1 with TypeError (missing, unknown, wrong type) or ValueError (out of range)
 */
int nb_parse(const char *call, PyObject *args, PyObject *kwargs, size_t positional, struct nb_argument *arguments,
	     size_t count);
#define NB_PARSE(call, args, kwargs, positional, arguments) \
	nb_parse(call, args, kwargs, positional, arguments, sizeof(arguments) / sizeof((arguments)[0]))

/* Return: 0, or -1 with ValueError. @name is the argument's, for the message. */
int nb_parse_ipv4(const char *name, const char *text, uint8_t address[4]);
int nb_parse_stamp_class(const char *text, enum nb_stamp_class *stamp_class);

int nb_parse_decode_mode(const char *text, enum nb_decode_mode *mode);

/* Parses one element of a sequence, itself a tuple. Return: 0, or -1 with an exception. */
typedef int (*nb_parse_element)(PyObject *tuple, void *element);

/**
 * nb_parse_sequence() - A Python sequence into an array, 1..65535 long.
 * @name: the argument's, for messages
 * @sequence: what was given
 * @element_size: of the array
 * @parse: fills one element, which is zeroed before
 * @count: elements of the array
 *
 * Return: the array, to be freed with PyMem_Free(); NULL with an exception
 */
void *nb_parse_sequence(const char *name, PyObject *sequence, size_t element_size, nb_parse_element parse,
			uint32_t *count);

/* ---- module_capture.c ---- */

/* An nb_parse_element: (address, source, port) into a struct nb_listen. */
int nb_parse_listen(PyObject *tuple, void *element);

/* ---- module_convert.c: values out ---- */

enum nb_field_kind {
	NB_FIELD_BOOL,
	NB_FIELD_I32,
	NB_FIELD_U16,
	NB_FIELD_U32,
	NB_FIELD_U64,
	NB_FIELD_I64,
	NB_FIELD_DOUBLE,
};

struct nb_field {
	const char *key; /* NULL ends a list */
	size_t offset;
	enum nb_field_kind kind;
};

#define NB_FIELD_AS(key, type, member)    \
	{ key, offsetof(type, member),    \
	  _Generic(((type *)0)->member,   \
		  bool: NB_FIELD_BOOL,    \
		  int32_t: NB_FIELD_I32,  \
		  uint16_t: NB_FIELD_U16, \
		  uint32_t: NB_FIELD_U32, \
		  uint64_t: NB_FIELD_U64, \
		  int64_t: NB_FIELD_I64,  \
		  double: NB_FIELD_DOUBLE) }
#define NB_FIELD(type, member) NB_FIELD_AS(#member, type, member)
#define NB_FIELDS_END { NULL, 0, NB_FIELD_BOOL }

/* Put the fields of @record into @dict. Return: 0, or -1 with an exception. */
int nb_dict_fill(PyObject *dict, const void *record, const struct nb_field *fields);
/* Put @value under @key and give up the reference to it; a NULL @value is an exception passed on. Return: 0 or -1. */
int nb_dict_take(PyObject *dict, const char *key, PyObject *value);
/* A new dict of the fields of @record, or NULL. */
PyObject *nb_dict_of(const void *record, const struct nb_field *fields);
/* {count, min, max, mean, p50, p99, p99_9}, or None when it counts nothing. */
PyObject *nb_summary_object(const struct nb_summary *summary);

/* module_foreign.c: the kind of a stream, and what others put into it. Return: 0, or -1 with an exception. */
int nb_dict_fill_foreign(PyObject *dict, const struct nb_stream_key *key, const struct nb_foreign_counts *counts);

/* Raise what @error says: ValueError for -EINVAL where @arguments were at fault, else OSError. Return: NULL. */
PyObject *nb_raise_argument(const struct nb_error *error);
PyObject *nb_raise_os(const struct nb_error *error);

/* ---- module_run.c ---- */

/* A call of the core that blocks; it returns within 100 ms of *stop. */
typedef int (*nb_blocking)(void *context, const atomic_bool *stop, struct nb_error *error);

/**
 * nb_run_blocking() - Run @call without the GIL, so that Ctrl-C still works.
 * @call: what blocks
 * @context: handed to it
 * @stop: set here when a Python signal handler raised
 *
 * Return: 0; -1 with the exception of the signal handler, or OSError
 */
int nb_run_blocking(nb_blocking call, void *context, atomic_bool *stop);

/* When @duration_ns from now is over, CLOCK_MONOTONIC; 0: never. Return: 0, or -1 with ValueError: no clock goes on so long. */
int nb_deadline_after(uint64_t duration_ns, int64_t *deadline_ns);

/* ---- the types ---- */

struct nb_module_state {
	PyTypeObject *histogram;
	PyTypeObject *table;
	PyTypeObject *socket_sender;
	PyTypeObject *frame_sender;
	PyTypeObject *socket_capture;
	PyTypeObject *ring_capture;
	PyTypeObject *stamp_capture;
	PyTypeObject *pcap_writer;
	PyTypeObject *capture_reader;
};

extern PyType_Spec nb_histogram_spec;
extern PyType_Spec nb_table_spec;
extern PyType_Spec nb_socket_sender_spec;
extern PyType_Spec nb_frame_sender_spec;
extern PyType_Spec nb_socket_capture_spec;
extern PyType_Spec nb_ring_capture_spec;
extern PyType_Spec nb_stamp_capture_spec;
extern PyType_Spec nb_pcap_writer_spec;
extern PyType_Spec nb_capture_reader_spec;

/* module_stamps.c: functions of the module. */
PyObject *nb_timestamp_setting(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *nb_set_timestamp_setting(PyObject *module, PyObject *args, PyObject *kwargs);

/* The HistogramData of a histogram. */
PyObject *nb_histogram_data(const struct nb_histogram *histogram);
/* The table inside a StreamTable; NULL with TypeError for another object. */
struct nb_table *nb_table_of(PyObject *object, const struct nb_module_state *state);
/* Take the writer inside a PcapWriter for a capture, until nb_writer_end(). Return: false with TypeError or RuntimeError. */
struct nb_pcap_writer;
bool nb_writer_begin(PyObject *object, const struct nb_module_state *state, struct nb_pcap_writer **writer);
void nb_writer_end(PyObject *object);
/* Allocate an object of a type of ours, zeroed; and free it with the reference to its type. */
PyObject *nb_object_new(PyTypeObject *type);
void nb_object_free(PyObject *self);

#endif
