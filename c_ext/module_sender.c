/* SPDX-License-Identifier: MIT */
/* module_sender.c - SocketSender and FrameSender: one object, two ways to send. */
#include "module.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "frame_sender.h"
#include "socket_sender.h"

/* What differs between the two. @handle is the struct nb_…_sender. */
struct sender_methods {
	int (*create)(void **handle, const struct nb_sender_config *config, struct nb_error *error);
	void (*destroy)(void *handle);
	nb_blocking run;
	void (*read)(void *handle, struct nb_sender_counts *counts);
	void (*read_stream)(void *handle, uint32_t index, struct nb_source_counts *counts);
	void (*lateness)(void *handle, struct nb_histogram *histogram);
};

struct sender_object {
	PyObject_HEAD const struct sender_methods *methods;
	void *handle;           /* owned */
	uint32_t *stream;       /* owned; the number of each stream, by index */
	uint32_t stream_count;
	bool ran;               /* under the GIL */
	atomic_bool stop;
};

/* ---- the two ways ---- */

static int socket_create(void **handle, const struct nb_sender_config *config, struct nb_error *error)
{
	struct nb_socket_sender *sender = NULL;
	int code = nb_socket_sender_create(&sender, config, error);

	*handle = sender;
	return code;
}

static void socket_destroy(void *handle)
{
	nb_socket_sender_destroy(handle);
}

static int socket_run(void *handle, const atomic_bool *stop, struct nb_error *error)
{
	return nb_socket_sender_run(handle, stop, error);
}

static void socket_read(void *handle, struct nb_sender_counts *counts)
{
	nb_socket_sender_read(handle, counts);
}

static void socket_read_stream(void *handle, uint32_t index, struct nb_source_counts *counts)
{
	nb_socket_sender_read_stream(handle, index, counts);
}

static void socket_lateness(void *handle, struct nb_histogram *histogram)
{
	nb_socket_sender_lateness(handle, histogram);
}

static const struct sender_methods socket_methods = {
	.create = socket_create,
	.destroy = socket_destroy,
	.run = socket_run,
	.read = socket_read,
	.read_stream = socket_read_stream,
	.lateness = socket_lateness,
};

static int frame_create(void **handle, const struct nb_sender_config *config, struct nb_error *error)
{
	struct nb_frame_sender *sender = NULL;
	int code = nb_frame_sender_create(&sender, config, error);

	*handle = sender;
	return code;
}

static void frame_destroy(void *handle)
{
	nb_frame_sender_destroy(handle);
}

static int frame_run(void *handle, const atomic_bool *stop, struct nb_error *error)
{
	return nb_frame_sender_run(handle, stop, error);
}

static void frame_read(void *handle, struct nb_sender_counts *counts)
{
	nb_frame_sender_read(handle, counts);
}

static void frame_read_stream(void *handle, uint32_t index, struct nb_source_counts *counts)
{
	nb_frame_sender_read_stream(handle, index, counts);
}

static void frame_lateness(void *handle, struct nb_histogram *histogram)
{
	nb_frame_sender_lateness(handle, histogram);
}

static const struct sender_methods frame_methods = {
	.create = frame_create,
	.destroy = frame_destroy,
	.run = frame_run,
	.read = frame_read,
	.read_stream = frame_read_stream,
	.lateness = frame_lateness,
};

/* ---- making one ---- */

static int parse_stream(PyObject *tuple, void *element)
{
	struct nb_sender_stream *stream = element;
	const char *destination = NULL;
	struct nb_argument arguments[] = {
		NB_REQUIRED("stream", &stream->stream),
		NB_REQUIRED("destination", &destination),
		NB_REQUIRED("port", &stream->port),
	};

	if (NB_PARSE("streams: each", tuple, NULL, 3, arguments))
		return -1;
	return nb_parse_ipv4("destination", destination, stream->destination);
}

static int parse_mac(const char *text, uint8_t mac[6])
{
	char rest;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5],
		   &rest) == 6)
		return 0;
	PyErr_Format(PyExc_ValueError, "next_hop must be a hardware address like aa:bb:cc:dd:ee:ff, not '%s'", text);
	return -1;
}

static int copy_stream_numbers(struct sender_object *self, const struct nb_sender_config *config)
{
	self->stream = PyMem_Calloc(config->stream_count, sizeof(*self->stream));
	if (!self->stream) {
		PyErr_NoMemory();
		return -1;
	}
	self->stream_count = config->stream_count;
	for (uint32_t i = 0; i < config->stream_count; i++)
		self->stream[i] = config->streams[i].stream;
	return 0;
}

static PyObject *sender_create(PyTypeObject *type, const struct sender_methods *methods,
			       const struct nb_sender_config *config)
{
	struct sender_object *self = (struct sender_object *)nb_object_new(type);
	struct nb_error error = { 0 };

	if (!self)
		return NULL;
	self->methods = methods;
	if (copy_stream_numbers(self, config))
		goto fail;
	if (methods->create(&self->handle, config, &error)) {
		self->handle = NULL;
		nb_raise_argument(&error);
		goto fail;
	}
	return (PyObject *)self;
fail:
	Py_DECREF(self);
	return NULL;
}

/* What the arguments of both constructors are parsed into. */
struct sender_arguments {
	struct nb_sender_config config;
	PyObject *streams;
	const char *source;
	const char *next_hop;
	const char *envelope;
	PyObject *schedule;         /* borrowed; NULL: none was given */
	PyObject *schedule_streams; /* the same */
	PyObject *payloads;         /* the same */
	PyObject *payload_ends;     /* the same */
};

static int parse_envelope(const char *text, enum nb_envelope_kind *kind)
{
	static const char *const names[] = {
		[NB_ENVELOPE_RAW] = "raw",
		[NB_ENVELOPE_MPEGTS] = "mpegts",
		[NB_ENVELOPE_RTP] = "rtp",
		[NB_ENVELOPE_RTP_MPEGTS] = "rtp-mpegts",
	};
	static_assert(sizeof(names) / sizeof(names[0]) == NB_ENVELOPE_COUNT, "each envelope has a name");

	for (int i = 0; i < NB_ENVELOPE_COUNT; i++) {
		if (!strcmp(text, names[i])) {
			*kind = (enum nb_envelope_kind)i;
			return 0;
		}
	}
	PyErr_Format(PyExc_ValueError, "envelope must be 'raw', 'mpegts', 'rtp' or 'rtp-mpegts', not '%s'", text);
	return -1;
}

/* What is lent by the objects that hold a written schedule; all zero while nothing is. */
struct schedule_views {
	Py_buffer offsets;
	Py_buffer streams;
	Py_buffer payloads;
	Py_buffer payload_ends;
};

static void release_views(struct schedule_views *views)
{
	PyBuffer_Release(&views->payload_ends);
	PyBuffer_Release(&views->payloads);
	PyBuffer_Release(&views->streams);
	PyBuffer_Release(&views->offsets);
}

/* Elements of a bytes-like @object, lent as long as its @view; none when nothing was given. Return: 0 or -1. */
static int view_elements(const char *name, PyObject *object, size_t element_bytes, Py_buffer *view, uint64_t *count)
{
	*count = 0;
	if (!object)
		return 0;
	if (PyObject_GetBuffer(object, view, PyBUF_SIMPLE))
		return -1;
	if ((size_t)view->len % element_bytes != 0 || (uintptr_t)view->buf % element_bytes != 0) {
		PyErr_Format(PyExc_ValueError, "%s must be a whole number of values of %zu bytes, in their place", name,
			     element_bytes);
		return -1;
	}
	*count = (uint64_t)view->len / element_bytes;
	return 0;
}

/* Lend the payloads of a replay to the configuration: one for each of @turns. */
static int view_payloads(const struct sender_arguments *given, struct schedule_views *views, uint64_t turns,
			 struct nb_sender_config *config)
{
	uint64_t bytes, ends;

	if (view_elements("payloads", given->payloads, 1, &views->payloads, &bytes) ||
	    view_elements("payload_ends", given->payload_ends, sizeof(uint64_t), &views->payload_ends, &ends))
		return -1;
	if (ends == 0)
		return 0;
	config->payloads = views->payloads.buf;
	config->payload_ends = views->payload_ends.buf;
	if (ends == turns && config->payload_ends[ends - 1] == bytes)
		return 0;
	PyErr_SetString(PyExc_ValueError, "payload_ends must be as long as schedule, and end where payloads ends");
	return -1;
}

/* Lend a written schedule to the configuration, which has been parsed: its packets are those of the schedule. */
static int view_schedule(const struct sender_arguments *given, struct schedule_views *views,
			 struct nb_sender_config *config)
{
	uint64_t offsets, streams;

	if (view_elements("schedule", given->schedule, sizeof(int64_t), &views->offsets, &offsets) ||
	    view_elements("schedule_streams", given->schedule_streams, sizeof(uint32_t), &views->streams, &streams))
		return -1;
	if (streams != 0 && streams != offsets) {
		PyErr_SetString(PyExc_ValueError, "schedule_streams must be as long as schedule, or empty");
		return -1;
	}
	if (offsets == 0)
		return 0;
	if (config->pacer.packets > offsets) {
		PyErr_Format(PyExc_ValueError, "packets must be 0..%llu, as many as schedule has",
			     (unsigned long long)offsets);
		return -1;
	}
	if (config->pacer.packets == 0)
		config->pacer.packets = offsets;
	config->pacer.offsets_ns = views->offsets.buf;
	config->turn_streams = streams != 0 ? views->streams.buf : NULL;
	return view_payloads(given, views, offsets, config);
}

static PyObject *sender_of_arguments(PyTypeObject *type, const struct sender_methods *methods,
				     struct sender_arguments *given)
{
	struct nb_sender_config *config = &given->config;
	struct schedule_views views = { 0 };
	struct nb_sender_stream *streams;
	PyObject *self = NULL;

	if (nb_parse_ipv4("source", given->source, config->source))
		return NULL;
	if (given->next_hop[0] && parse_mac(given->next_hop, config->next_hop))
		return NULL;
	if (parse_envelope(given->envelope, &config->envelope))
		return NULL;
	streams = nb_parse_sequence("streams", given->streams, sizeof(*streams), parse_stream, &config->stream_count);
	if (!streams)
		return NULL;
	config->streams = streams;
	if (!view_schedule(given, &views, config))
		self = sender_create(type, methods, config);
	release_views(&views);
	PyMem_Free(streams);
	return self;
}

/* Every number has the default of _core.pyi here; the two constructors differ in what they require. */
#define SENDER_DEFAULTS                                                                                 \
	{ .config = { .payload_bytes = 1316, .ttl = 1, .qdisc_bypass = true, .pacer = { .burst = 1 } }, \
	  .source = "0.0.0.0",                                                                          \
	  .next_hop = "",                                                                               \
	  .envelope = "raw" }

#define SENDER_COMMON_ARGUMENTS(given)                                                                                 \
	NB_REQUIRED("streams", &(given).streams), NB_REQUIRED("rate_pps", &(given).config.pacer.rate_pps),             \
		NB_REQUIRED("packets", &(given).config.pacer.packets),                                                 \
		NB_OPTIONAL("session", &(given).config.session),                                                       \
		NB_OPTIONAL("payload_bytes", &(given).config.payload_bytes),                                           \
		NB_OPTIONAL("burst", &(given).config.pacer.burst),                                                     \
		NB_OPTIONAL("spin_ns", &(given).config.pacer.spin_ns),                                                 \
		NB_OPTIONAL("skip_every", &(given).config.faults.skip_every),                                          \
		NB_OPTIONAL("repeat_every", &(given).config.faults.repeat_every),                                      \
		NB_OPTIONAL("swap_every", &(given).config.faults.swap_every), NB_OPTIONAL("ttl", &(given).config.ttl), \
		NB_OPTIONAL("dscp", &(given).config.dscp),                                                             \
		NB_OPTIONAL("send_buffer_bytes", &(given).config.send_buffer_bytes),                                   \
		NB_OPTIONAL("envelope", &(given).envelope),                                                            \
		NB_OPTIONAL("rtp_first_sequence", &(given).config.rtp_first_sequence),                                 \
		NB_OPTIONAL("schedule", &(given).schedule),                                                            \
		NB_OPTIONAL("schedule_streams", &(given).schedule_streams),                                            \
		NB_OPTIONAL("payloads", &(given).payloads), NB_OPTIONAL("payload_ends", &(given).payload_ends)

static PyObject *socket_sender_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	struct sender_arguments given = SENDER_DEFAULTS;
	struct nb_argument arguments[] = {
		SENDER_COMMON_ARGUMENTS(given),
		NB_OPTIONAL("interface_index", &given.config.interface_index),
		NB_OPTIONAL("source", &given.source),
		NB_OPTIONAL("source_port", &given.config.source_port),
	};

	if (NB_PARSE("SocketSender", args, kwargs, 0, arguments))
		return NULL;
	return sender_of_arguments(type, &socket_methods, &given);
}

static PyObject *frame_sender_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	struct sender_arguments given = SENDER_DEFAULTS;
	struct nb_argument arguments[] = {
		SENDER_COMMON_ARGUMENTS(given),           NB_REQUIRED("interface_index", &given.config.interface_index),
		NB_REQUIRED("source", &given.source),     NB_REQUIRED("source_port", &given.config.source_port),
		NB_OPTIONAL("next_hop", &given.next_hop), NB_OPTIONAL("qdisc_bypass", &given.config.qdisc_bypass),
	};

	if (NB_PARSE("FrameSender", args, kwargs, 0, arguments))
		return NULL;
	return sender_of_arguments(type, &frame_methods, &given);
}

static void sender_dealloc(PyObject *object)
{
	struct sender_object *self = (struct sender_object *)object;

	if (self->handle)
		self->methods->destroy(self->handle);
	PyMem_Free(self->stream);
	nb_object_free(object);
}

/* ---- using it ---- */

static PyObject *sender_run(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	struct sender_object *self = (struct sender_object *)object;

	if (self->ran) {
		PyErr_SetString(PyExc_RuntimeError, "run() was called before: a sender runs once, make another");
		return NULL;
	}
	self->ran = true;
	if (nb_run_blocking(self->methods->run, self->handle, &self->stop))
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *sender_stop(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	atomic_store(&((struct sender_object *)object)->stop, true);
	Py_RETURN_NONE;
}

#define SOURCE_FIELDS(type, prefix)                                                                             \
	NB_FIELD_AS("sequences", type, prefix sequences), NB_FIELD_AS("sent", type, prefix sent),               \
		NB_FIELD_AS("datagrams", type, prefix datagrams), NB_FIELD_AS("skipped", type, prefix skipped), \
		NB_FIELD_AS("repeated", type, prefix repeated), NB_FIELD_AS("swapped", type, prefix swapped),   \
		NB_FIELD_AS("unsent", type, prefix unsent), NB_FIELD_AS("refused", type, prefix refused)

static PyObject *sender_counts(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	static const struct nb_field fields[] = {
		SOURCE_FIELDS(struct nb_sender_counts, total.),
		NB_FIELD_AS("enobufs", struct nb_sender_counts, errors.enobufs),
		NB_FIELD_AS("eagain", struct nb_sender_counts, errors.eagain),
		NB_FIELD_AS("other_errors", struct nb_sender_counts, errors.other),
		NB_FIELD_AS("last_errno", struct nb_sender_counts, errors.last_other),
		NB_FIELD(struct nb_sender_counts, bytes),
		NB_FIELD(struct nb_sender_counts, system_calls),
		NB_FIELD(struct nb_sender_counts, intended),
		NB_FIELD(struct nb_sender_counts, started_ns),
		NB_FIELD(struct nb_sender_counts, ended_ns),
		NB_FIELDS_END,
	};
	struct sender_object *self = (struct sender_object *)object;
	struct nb_sender_counts counts = { 0 };

	self->methods->read(self->handle, &counts);
	return nb_dict_of(&counts, fields);
}

static PyObject *stream_counts(const struct sender_object *self, uint32_t index)
{
	static const struct nb_field fields[] = {
		SOURCE_FIELDS(struct nb_source_counts, ),
		NB_FIELDS_END,
	};
	struct nb_source_counts counts = { 0 };
	PyObject *dict;

	self->methods->read_stream(self->handle, index, &counts);
	dict = nb_dict_of(&counts, fields);
	if (dict && nb_dict_take(dict, "stream", PyLong_FromUnsignedLong(self->stream[index])))
		Py_CLEAR(dict);
	return dict;
}

static PyObject *sender_streams(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	const struct sender_object *self = (struct sender_object *)object;
	PyObject *list = PyList_New(self->stream_count);

	for (uint32_t i = 0; list && i < self->stream_count; i++) {
		PyObject *stream = stream_counts(self, i);

		if (!stream || PyList_SetItem(list, i, stream))
			Py_CLEAR(list);
	}
	return list;
}

static PyObject *sender_lateness(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	struct sender_object *self = (struct sender_object *)object;
	struct nb_histogram histogram;

	self->methods->lateness(self->handle, &histogram);
	return nb_histogram_data(&histogram);
}

static PyMethodDef sender_methods_table[] = {
	{ "run", sender_run, METH_NOARGS,
	  "run()\n\nSend the schedule; once. Blocks until it ended or stop() was called." },
	{ "stop", sender_stop, METH_NOARGS, "stop()\n\nEnd run(), within 100 ms." },
	{ "counts", sender_counts, METH_NOARGS, "counts()\n\nThe books over all streams; while it runs, too." },
	{ "streams", sender_streams, METH_NOARGS, "streams()\n\nThe books of each stream." },
	{ "lateness", sender_lateness, METH_NOARGS, "lateness()\n\nHow late packets left: HistogramData." },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot socket_sender_slots[] = {
	{ Py_tp_doc, "UDP probes through a socket." },
	{ Py_tp_new, socket_sender_new },
	{ Py_tp_dealloc, sender_dealloc },
	{ Py_tp_methods, sender_methods_table },
	{ 0, NULL },
};

PyType_Spec nb_socket_sender_spec = {
	.name = "netbench._core.SocketSender",
	.basicsize = sizeof(struct sender_object),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = socket_sender_slots,
};

static PyType_Slot frame_sender_slots[] = {
	{ Py_tp_doc, "UDP probes as whole Ethernet frames, for the highest rates." },
	{ Py_tp_new, frame_sender_new },
	{ Py_tp_dealloc, sender_dealloc },
	{ Py_tp_methods, sender_methods_table },
	{ 0, NULL },
};

PyType_Spec nb_frame_sender_spec = {
	.name = "netbench._core.FrameSender",
	.basicsize = sizeof(struct sender_object),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = frame_sender_slots,
};
