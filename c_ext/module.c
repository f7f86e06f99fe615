/* SPDX-License-Identifier: MIT */
/* module.c - netbench._core: the module, its functions and its types. */
#include "module.h"

#include <errno.h>

#include "floor.h"
#include "probe.h"
#include "timestamp_caps.h"

/* netbench/core.py refuses another number: raised when a signature or a key in _core.pyi changes. */
#define ABI_VERSION 4

/* ---- probes ---- */

static PyObject *probe_encode(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
	uint8_t bytes[NB_PROBE_LENGTH];
	struct nb_probe probe = { 0 };
	struct nb_argument arguments[] = {
		NB_REQUIRED("session", &probe.session),   NB_REQUIRED("stream", &probe.stream),
		NB_REQUIRED("sequence", &probe.sequence), NB_REQUIRED("scheduled_ns", &probe.scheduled_ns),
		NB_REQUIRED("sent_ns", &probe.sent_ns),
	};

	if (NB_PARSE("probe_encode", args, kwargs, 5, arguments))
		return NULL;
	nb_probe_encode(bytes, sizeof(bytes), &probe);
	return PyBytes_FromStringAndSize((const char *)bytes, sizeof(bytes));
}

static PyObject *probe_decode(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
	static const struct nb_field fields[] = {
		NB_FIELD(struct nb_probe, session),  NB_FIELD(struct nb_probe, stream),
		NB_FIELD(struct nb_probe, sequence), NB_FIELD(struct nb_probe, scheduled_ns),
		NB_FIELD(struct nb_probe, sent_ns),  NB_FIELDS_END,
	};
	PyObject *payload = NULL;
	struct nb_argument arguments[] = { NB_REQUIRED("payload", &payload) };
	struct nb_probe probe;
	Py_buffer bytes;
	int code;

	if (NB_PARSE("probe_decode", args, kwargs, 1, arguments) || PyObject_GetBuffer(payload, &bytes, PyBUF_SIMPLE))
		return NULL;
	code = nb_probe_decode(bytes.buf, (size_t)bytes.len, &probe);
	PyBuffer_Release(&bytes);
	if (code)
		Py_RETURN_NONE;
	return nb_dict_of(&probe, fields);
}

/* ---- the floor ---- */

static int parse_readings(const char *call, PyObject *args, PyObject *kwargs, uint32_t *readings)
{
	struct nb_argument arguments[] = { NB_OPTIONAL("readings", readings) };

	*readings = 100000;
	if (NB_PARSE(call, args, kwargs, 1, arguments))
		return -1;
	if (*readings)
		return 0;
	PyErr_SetString(PyExc_ValueError, "readings must be at least 1");
	return -1;
}

static PyObject *clock_cost_ns(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
	uint32_t readings;
	double cost_ns;

	if (parse_readings("clock_cost_ns", args, kwargs, &readings))
		return NULL;
	/* Dropped, so that another thread that wants the GIL does not end up in what is measured. */
	Py_BEGIN_ALLOW_THREADS cost_ns = nb_floor_clock_cost_ns(readings);
	Py_END_ALLOW_THREADS return PyFloat_FromDouble(cost_ns);
}

static PyObject *clock_step_ns(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
	uint32_t readings;
	int64_t step_ns;

	if (parse_readings("clock_step_ns", args, kwargs, &readings))
		return NULL;
	Py_BEGIN_ALLOW_THREADS step_ns = nb_floor_clock_step_ns(readings);
	Py_END_ALLOW_THREADS return PyLong_FromLongLong(step_ns);
}

struct wakeup_call {
	struct nb_histogram *histogram;
	uint32_t wakeups;
	int64_t interval_ns;
};

static int wakeup_blocking(void *context, const atomic_bool *stop, struct nb_error *Py_UNUSED(error))
{
	const struct wakeup_call *call = context;

	nb_floor_wakeup(call->histogram, call->wakeups, call->interval_ns, stop);
	return 0;
}

static PyObject *wakeup_latency(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
	struct nb_histogram histogram;
	struct wakeup_call call = { .histogram = &histogram };
	struct nb_argument arguments[] = {
		NB_REQUIRED("wakeups", &call.wakeups),
		NB_REQUIRED("interval_ns", &call.interval_ns),
	};
	atomic_bool stop = false;

	if (NB_PARSE("wakeup_latency", args, kwargs, 2, arguments))
		return NULL;
	if (call.interval_ns < 1) {
		PyErr_SetString(PyExc_ValueError, "interval_ns must be at least 1");
		return NULL;
	}
	nb_histogram_reset(&histogram);
	if (nb_run_blocking(wakeup_blocking, &call, &stop))
		return NULL;
	return nb_histogram_data(&histogram);
}

/* ---- time stamps ---- */

static PyObject *timestamp_capabilities(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
	static const struct nb_field fields[] = {
		NB_FIELD(struct nb_timestamp_caps, so_timestamping),
		NB_FIELD(struct nb_timestamp_caps, tx_types),
		NB_FIELD(struct nb_timestamp_caps, rx_filters),
		NB_FIELD(struct nb_timestamp_caps, phc_index),
		NB_FIELD(struct nb_timestamp_caps, configured_known),
		NB_FIELD(struct nb_timestamp_caps, configured_tx_type),
		NB_FIELD(struct nb_timestamp_caps, configured_rx_filter),
		NB_FIELDS_END,
	};
	struct nb_timestamp_caps caps = { 0 };
	struct nb_error error = { 0 };
	const char *interface = NULL;
	struct nb_argument arguments[] = { NB_REQUIRED("interface", &interface) };

	if (NB_PARSE("timestamp_capabilities", args, kwargs, 1, arguments))
		return NULL;
	if (nb_timestamp_caps_query(interface, &caps, &error))
		return nb_raise_os(&error);
	return nb_dict_of(&caps, fields);
}

/* ---- the module ---- */

#define FUNCTION(name, text) { #name, (PyCFunction)(void (*)(void))(name), METH_VARARGS | METH_KEYWORDS, text }

static PyMethodDef module_functions[] = {
	{ "timestamp_setting", (PyCFunction)(void (*)(void))nb_timestamp_setting, METH_VARARGS | METH_KEYWORDS,
	  "timestamp_setting(interface)\n\nWhat an interface is set to stamp." },
	{ "set_timestamp_setting", (PyCFunction)(void (*)(void))nb_set_timestamp_setting, METH_VARARGS | METH_KEYWORDS,
	  "set_timestamp_setting(interface, tx_type, rx_filter)\n\nSets it; returns what the driver does instead." },
	FUNCTION(timestamp_capabilities,
		 "timestamp_capabilities(interface)\n\nWhat an interface says it can stamp; sets nothing."),
	FUNCTION(probe_encode,
		 "probe_encode(session, stream, sequence, scheduled_ns, sent_ns)\n\nThe bytes of a probe."),
	FUNCTION(probe_decode, "probe_decode(payload)\n\nA dict, or None when it is no valid probe."),
	FUNCTION(clock_cost_ns, "clock_cost_ns(readings=100000)\n\nMean cost of reading the clock."),
	FUNCTION(clock_step_ns, "clock_step_ns(readings=100000)\n\nSmallest step between two readings that differ."),
	FUNCTION(wakeup_latency, "wakeup_latency(wakeups, interval_ns)\n\nLateness of absolute sleeps: HistogramData."),
	{ NULL, NULL, 0, NULL },
};

static int add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type)
{
	*type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
	return *type ? PyModule_AddType(module, *type) : -1;
}

static int module_exec(PyObject *module)
{
	struct nb_module_state *state = PyModule_GetState(module);

	if (add_type(module, &nb_histogram_spec, &state->histogram) ||
	    add_type(module, &nb_table_spec, &state->table) ||
	    add_type(module, &nb_socket_sender_spec, &state->socket_sender) ||
	    add_type(module, &nb_frame_sender_spec, &state->frame_sender) ||
	    add_type(module, &nb_socket_capture_spec, &state->socket_capture) ||
	    add_type(module, &nb_ring_capture_spec, &state->ring_capture) ||
	    add_type(module, &nb_stamp_capture_spec, &state->stamp_capture) ||
	    add_type(module, &nb_pcap_writer_spec, &state->pcap_writer) ||
	    add_type(module, &nb_capture_reader_spec, &state->capture_reader))
		return -1;
	if (PyModule_AddIntConstant(module, "ABI_VERSION", ABI_VERSION))
		return -1;
	return PyModule_AddIntConstant(module, "PROBE_LENGTH", NB_PROBE_LENGTH);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
	struct nb_module_state *state = PyModule_GetState(module);

	Py_VISIT(state->histogram);
	Py_VISIT(state->table);
	Py_VISIT(state->socket_sender);
	Py_VISIT(state->frame_sender);
	Py_VISIT(state->socket_capture);
	Py_VISIT(state->ring_capture);
	Py_VISIT(state->stamp_capture);
	Py_VISIT(state->pcap_writer);
	Py_VISIT(state->capture_reader);
	return 0;
}

static int module_clear(PyObject *module)
{
	struct nb_module_state *state = PyModule_GetState(module);

	Py_CLEAR(state->histogram);
	Py_CLEAR(state->table);
	Py_CLEAR(state->socket_sender);
	Py_CLEAR(state->frame_sender);
	Py_CLEAR(state->socket_capture);
	Py_CLEAR(state->ring_capture);
	Py_CLEAR(state->stamp_capture);
	Py_CLEAR(state->pcap_writer);
	Py_CLEAR(state->capture_reader);
	return 0;
}

static void module_free(void *module)
{
	module_clear(module);
}

static PyModuleDef_Slot module_slots[] = {
	{ Py_mod_exec, (void *)module_exec },
	{ 0, NULL },
};

static struct PyModuleDef module_definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "netbench._core",
	.m_doc = "The C core of netbench. Import netbench.core instead.",
	.m_size = sizeof(struct nb_module_state),
	.m_methods = module_functions,
	.m_slots = module_slots,
	.m_traverse = module_traverse,
	.m_clear = module_clear,
	.m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void)
{
	return PyModuleDef_Init(&module_definition);
}
