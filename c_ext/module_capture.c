/* SPDX-License-Identifier: MIT */
/* module_capture.c - SocketCapture and RingCapture: one object, two ways to receive. */
#include "module.h"

#include "pcap_writer.h"
#include "ring_capture.h"
#include "socket_capture.h"

/* What differs between the two. @handle is the struct nb_…_capture. */
struct capture_methods {
	void (*destroy)(void *handle);
	int (*run)(void *handle, struct nb_table *table, int64_t deadline_ns, const atomic_bool *stop,
		   struct nb_error *error);
	PyObject *(*counts)(void *handle);
	void (*write_to)(void *handle, struct nb_pcap_writer *writer); /* NULL: it has no frames to write */
};

struct capture_object {
	PyObject_HEAD const struct capture_methods *methods;
	void *handle; /* owned */
	bool ran;     /* under the GIL */
	atomic_bool stop;
};

/* ---- sockets ---- */

static void socket_destroy(void *handle)
{
	nb_socket_capture_destroy(handle);
}

static int socket_run(void *handle, struct nb_table *table, int64_t deadline_ns, const atomic_bool *stop,
		      struct nb_error *error)
{
	return nb_socket_capture_run(handle, table, deadline_ns, stop, error);
}

static PyObject *socket_counts(void *handle)
{
#define COUNT(member) NB_FIELD(struct nb_socket_capture_counts, member)
	static const struct nb_field fields[] = {
		COUNT(packets),       COUNT(unasked),
		COUNT(truncated),     COUNT(socket_drops),
		COUNT(overflow_seen), COUNT(system_calls),
		COUNT(batches),       COUNT(largest_batch),
		COUNT(sockets),       COUNT(receive_buffer_bytes),
		NB_FIELDS_END,
	};
#undef COUNT
	struct nb_socket_capture_counts counts = { 0 };

	nb_socket_capture_read(handle, &counts);
	return nb_dict_of(&counts, fields);
}

static const struct capture_methods socket_methods = {
	.destroy = socket_destroy,
	.run = socket_run,
	.counts = socket_counts,
};

int nb_parse_listen(PyObject *tuple, void *element)
{
	struct nb_listen *listen = element;
	const char *address = NULL, *source = NULL;
	struct nb_argument arguments[] = {
		NB_REQUIRED("address", &address),
		NB_REQUIRED("source", &source),
		NB_REQUIRED("port", &listen->port),
	};

	if (NB_PARSE("listens: each", tuple, NULL, 3, arguments))
		return -1;
	if (nb_parse_ipv4("address", address, listen->address))
		return -1;
	return nb_parse_ipv4("source", source, listen->source);
}

static PyObject *socket_capture_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	struct nb_socket_capture_config config = { 0 };
	PyObject *sequence = NULL;
	struct nb_argument arguments[] = {
		NB_REQUIRED("listens", &sequence),
		NB_OPTIONAL("interface_index", &config.interface_index),
		NB_OPTIONAL("receive_buffer_bytes", &config.receive_buffer_bytes),
		NB_OPTIONAL("memberships_per_socket", &config.memberships_per_socket),
		NB_OPTIONAL("hardware_stamps", &config.hardware_stamps),
	};
	struct nb_socket_capture *handle = NULL;
	struct nb_error error = { 0 };
	struct capture_object *self;
	struct nb_listen *listens;

	if (NB_PARSE("SocketCapture", args, kwargs, 0, arguments))
		return NULL;
	listens = nb_parse_sequence("listens", sequence, sizeof(*listens), nb_parse_listen, &config.listen_count);
	if (!listens)
		return NULL;
	config.listens = listens;
	self = (struct capture_object *)nb_object_new(type);
	if (!self)
		goto out_free;
	self->methods = &socket_methods;
	if (nb_socket_capture_create(&handle, &config, &error)) {
		nb_raise_argument(&error);
		Py_CLEAR(self);
		goto out_free;
	}
	self->handle = handle;
out_free:
	PyMem_Free(listens);
	return (PyObject *)self;
}

/* ---- the ring ---- */

static void ring_destroy(void *handle)
{
	nb_ring_capture_destroy(handle);
}

static int ring_run(void *handle, struct nb_table *table, int64_t deadline_ns, const atomic_bool *stop,
		    struct nb_error *error)
{
	return nb_ring_capture_run(handle, table, deadline_ns, stop, error);
}

static PyObject *ring_counts(void *handle)
{
#define COUNT(member) NB_FIELD(struct nb_ring_capture_counts, member)
	static const struct nb_field fields[] = {
		COUNT(frames),         COUNT(datagrams),    COUNT(not_udp), COUNT(damaged),
		COUNT(kernel_packets), COUNT(kernel_drops), COUNT(freezes), COUNT(blocks),
		COUNT(losing_blocks),  COUNT(ring_bytes),   NB_FIELDS_END,
	};
#undef COUNT
	struct nb_ring_capture_counts counts = { 0 };

	nb_ring_capture_read(handle, &counts);
	return nb_dict_of(&counts, fields);
}

static void ring_write_to(void *handle, struct nb_pcap_writer *writer)
{
	nb_ring_capture_write_to(handle, writer);
}

static const struct capture_methods ring_methods = {
	.destroy = ring_destroy,
	.run = ring_run,
	.counts = ring_counts,
	.write_to = ring_write_to,
};

static int parse_instruction(PyObject *tuple, void *element)
{
	struct sock_filter *line = element;
	uint16_t code = 0;
	uint32_t k = 0;
	struct nb_argument arguments[] = {
		NB_REQUIRED("code", &code),
		NB_REQUIRED("jt", &line->jt),
		NB_REQUIRED("jf", &line->jf),
		NB_REQUIRED("k", &k),
	};

	if (NB_PARSE("filter: each", tuple, NULL, 4, arguments))
		return -1;
	line->code = code;
	line->k = k;
	return 0;
}

static PyObject *ring_capture_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	struct nb_ring_capture_config config = { .incoming_only = true };
	struct sock_filter *lines = NULL;
	PyObject *filter = NULL;
	uint32_t count = 0;
	struct nb_argument arguments[] = {
		NB_REQUIRED("interface_index", &config.interface_index),
		NB_OPTIONAL("port_low", &config.port_low),
		NB_OPTIONAL("port_high", &config.port_high),
		NB_OPTIONAL("filter", &filter),
		NB_OPTIONAL("block_bytes", &config.block_bytes),
		NB_OPTIONAL("blocks", &config.blocks),
		NB_OPTIONAL("snapshot_bytes", &config.snapshot_bytes),
		NB_OPTIONAL("retire_ms", &config.retire_ms),
		NB_OPTIONAL("incoming_only", &config.incoming_only),
		NB_OPTIONAL("hardware_stamps", &config.hardware_stamps),
	};
	struct nb_ring_capture *handle = NULL;
	struct nb_error error = { 0 };
	struct capture_object *self;

	if (NB_PARSE("RingCapture", args, kwargs, 0, arguments))
		return NULL;
	if (filter && filter != Py_None) {
		lines = nb_parse_sequence("filter", filter, sizeof(*lines), parse_instruction, &count);
		if (!lines)
			return NULL;
		config.filter = lines;
		config.filter_instructions = (uint16_t)count; /* a sequence is no longer */
	}
	self = (struct capture_object *)nb_object_new(type);
	if (!self)
		goto out_free;
	self->methods = &ring_methods;
	if (nb_ring_capture_create(&handle, &config, &error)) {
		nb_raise_argument(&error);
		Py_CLEAR(self);
		goto out_free;
	}
	self->handle = handle;
out_free:
	PyMem_Free(lines);
	return (PyObject *)self;
}

/* ---- using it ---- */

static void capture_dealloc(PyObject *object)
{
	struct capture_object *self = (struct capture_object *)object;

	if (self->handle)
		self->methods->destroy(self->handle);
	nb_object_free(object);
}

struct capture_call {
	const struct capture_object *capture;
	struct nb_table *table;
	int64_t deadline_ns;
};

static int capture_blocking(void *context, const atomic_bool *stop, struct nb_error *error)
{
	const struct capture_call *call = context;

	return call->capture->methods->run(call->capture->handle, call->table, call->deadline_ns, stop, error);
}

static PyObject *capture_run(PyObject *object, PyObject *args, PyObject *kwargs)
{
	struct capture_object *self = (struct capture_object *)object;
	struct capture_call call = { .capture = self };
	const struct nb_module_state *state = PyType_GetModuleState(Py_TYPE(object));
	PyObject *table = NULL, *writer = Py_None;
	struct nb_pcap_writer *to = NULL;
	uint64_t duration_ns = 0;
	struct nb_argument arguments[] = {
		NB_REQUIRED("table", &table),
		NB_OPTIONAL("duration_ns", &duration_ns),
		NB_OPTIONAL("writer", &writer),
	};
	int code;

	if (NB_PARSE("run", args, kwargs, 2, arguments))
		return NULL;
	if (writer != Py_None && !self->methods->write_to) {
		PyErr_SetString(PyExc_TypeError, "a SocketCapture sees no frames to write: take a RingCapture");
		return NULL;
	}
	/* Frames may go to a writer alone. */
	if (table != Py_None || writer == Py_None) {
		call.table = nb_table_of(table, state);
		if (!call.table)
			return NULL;
	}
	if (nb_deadline_after(duration_ns, &call.deadline_ns))
		return NULL;
	if (self->ran) {
		PyErr_SetString(PyExc_RuntimeError, "run() was called before: a capture runs once, make another");
		return NULL;
	}
	if (writer != Py_None) {
		if (!nb_writer_begin(writer, state, &to))
			return NULL;
		self->methods->write_to(self->handle, to);
	}
	self->ran = true;
	Py_INCREF(table); /* in use by the core until it returns, whatever becomes of the caller's arguments */
	Py_INCREF(writer);
	code = nb_run_blocking(capture_blocking, &call, &self->stop);
	if (to)
		nb_writer_end(writer);
	Py_DECREF(writer);
	Py_DECREF(table);
	if (code)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *capture_stop(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	atomic_store(&((struct capture_object *)object)->stop, true);
	Py_RETURN_NONE;
}

static PyObject *capture_counts(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	struct capture_object *self = (struct capture_object *)object;

	return self->methods->counts(self->handle);
}

static PyMethodDef capture_methods_table[] = {
	{ "run", (PyCFunction)(void (*)(void))capture_run, METH_VARARGS | METH_KEYWORDS,
	  "run(table, duration_ns=0, writer=None)\n\nFeed them for so long (0: until stop()), then take what is queued; once." },
	{ "stop", capture_stop, METH_NOARGS, "stop()\n\nEnd run(), within 100 ms." },
	{ "counts", capture_counts, METH_NOARGS, "counts()\n\nThe capture's own books; while it runs, too." },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot socket_capture_slots[] = {
	{ Py_tp_doc, "UDP sockets with kernel stamps; bound and joined once constructed." },
	{ Py_tp_new, socket_capture_new },
	{ Py_tp_dealloc, capture_dealloc },
	{ Py_tp_methods, capture_methods_table },
	{ 0, NULL },
};

PyType_Spec nb_socket_capture_spec = {
	.name = "netbench._core.SocketCapture",
	.basicsize = sizeof(struct capture_object),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = socket_capture_slots,
};

static PyType_Slot ring_capture_slots[] = {
	{ Py_tp_doc, "An AF_PACKET ring; keeping packets once constructed." },
	{ Py_tp_new, ring_capture_new },
	{ Py_tp_dealloc, capture_dealloc },
	{ Py_tp_methods, capture_methods_table },
	{ 0, NULL },
};

PyType_Spec nb_ring_capture_spec = {
	.name = "netbench._core.RingCapture",
	.basicsize = sizeof(struct capture_object),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = ring_capture_slots,
};
