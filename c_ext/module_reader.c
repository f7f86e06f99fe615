/* SPDX-License-Identifier: MIT */
/* module_reader.c - CaptureReader: a capture file, fed in pieces by Python, which may have decompressed them. */
#include "module.h"
#include "pcap_reader.h"

struct reader_object {
	PyObject_HEAD struct nb_pcap_reader *reader; /* owned */
	struct nb_payload_list *kept;                /* owned, or NULL */
};

static struct nb_pcap_reader *reader_in(PyObject *object)
{
	return ((struct reader_object *)object)->reader;
}

static PyObject *reader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	struct nb_pcap_reader_config config = { 0 };
	PyObject *sequence = NULL;
	uint64_t keep_bytes = 0;
	struct nb_argument arguments[] = {
		NB_OPTIONAL("listens", &sequence),
		NB_OPTIONAL("keep_bytes", &keep_bytes),
	};
	struct nb_listen *listens = NULL;
	struct nb_error error = { 0 };
	struct reader_object *self;

	if (NB_PARSE("CaptureReader", args, kwargs, 0, arguments))
		return NULL;
	if (sequence && sequence != Py_None) {
		listens = nb_parse_sequence("listens", sequence, sizeof(*listens), nb_parse_listen,
					    &config.listen_count);
		if (!listens)
			return NULL;
	}
	config.listens = listens;
	self = (struct reader_object *)nb_object_new(type);
	if (self && keep_bytes > 0 && nb_payload_list_create(&self->kept, keep_bytes, &error)) {
		nb_raise_os(&error);
		Py_CLEAR(self);
	}
	config.keep = self ? self->kept : NULL;
	if (self && nb_pcap_reader_create(&self->reader, &config, &error)) {
		nb_raise_os(&error);
		Py_CLEAR(self);
	}
	PyMem_Free(listens);
	return (PyObject *)self;
}

static void reader_dealloc(PyObject *object)
{
	nb_pcap_reader_destroy(reader_in(object));
	nb_payload_list_destroy(((struct reader_object *)object)->kept);
	nb_object_free(object);
}

static PyObject *reader_feed(PyObject *object, PyObject *args, PyObject *kwargs)
{
	PyObject *data = NULL, *table_object = NULL;
	struct nb_argument arguments[] = { NB_REQUIRED("data", &data), NB_REQUIRED("table", &table_object) };
	struct nb_table *table;
	Py_buffer bytes;
	bool more;

	if (NB_PARSE("feed", args, kwargs, 2, arguments))
		return NULL;
	table = nb_table_of(table_object, PyType_GetModuleState(Py_TYPE(object)));
	if (!table || PyObject_GetBuffer(data, &bytes, PyBUF_SIMPLE))
		return NULL;
	Py_INCREF(table_object); /* in use by the core until it returns, whatever becomes of the caller's arguments */
	/* Dropped, since a piece is milliseconds of work, and the table is read by other threads meanwhile. */
	Py_BEGIN_ALLOW_THREADS more = nb_pcap_reader_feed(reader_in(object), bytes.buf, (size_t)bytes.len, table);
	Py_END_ALLOW_THREADS Py_DECREF(table_object);
	PyBuffer_Release(&bytes);
	return PyBool_FromLong(more);
}

static PyObject *reader_finish(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	nb_pcap_reader_finish(reader_in(object));
	Py_RETURN_NONE;
}

static PyObject *reader_counts(PyObject *object, PyObject *Py_UNUSED(ignored))
{
#define COUNT(member) NB_FIELD(struct nb_pcap_reader_counts, member)
	static const struct nb_field fields[] = {
		COUNT(bytes),
		COUNT(records),
		COUNT(datagrams),
		COUNT(filtered),
		COUNT(not_udp),
		COUNT(fragments),
		COUNT(cut_headers),
		COUNT(damaged),
		COUNT(unknown_link),
		COUNT(first_fragments),
		COUNT(cut_packets),
		COUNT(outgoing),
		COUNT(unstamped),
		COUNT(wire_bytes),
		COUNT(other_blocks),
		COUNT(capturer_drops),
		COUNT(sections),
		COUNT(interfaces),
		COUNT(link_type),
		COUNT(unknown_link_type),
		COUNT(first_ns),
		COUNT(last_ns),
		COUNT(resolution_ns),
		COUNT(stamped),
		COUNT(capturer_told_drops),
		COUNT(broken),
		COUNT(broken_at),
		NB_FIELDS_END,
	};
#undef COUNT
	struct nb_pcap_reader_counts counts;
	char what[NB_PCAP_WHAT];
	PyObject *dict;

	nb_pcap_reader_read(reader_in(object), &counts, what);
	dict = nb_dict_of(&counts, fields);
	if (dict && nb_dict_take(dict, "broken_what", PyUnicode_FromString(what)))
		Py_CLEAR(dict);
	return dict;
}

/* Bytes of an array that may be empty, and then nowhere. */
static PyObject *bytes_of(const void *array, uint64_t count, size_t element_bytes)
{
	return PyBytes_FromStringAndSize(count > 0 ? array : "", (Py_ssize_t)(count * element_bytes));
}

static PyObject *reader_kept(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	static const struct nb_field fields[] = {
		NB_FIELD(struct nb_payload_counts, kept),      NB_FIELD(struct nb_payload_counts, cut),
		NB_FIELD(struct nb_payload_counts, unstamped), NB_FIELD(struct nb_payload_counts, too_long),
		NB_FIELD(struct nb_payload_counts, beyond),    NB_FIELDS_END,
	};
	const struct nb_payload_list *kept = ((struct reader_object *)object)->kept;
	struct nb_payload_counts counts;
	struct nb_payload_view view;
	PyObject *dict;

	if (!kept) {
		PyErr_SetString(PyExc_RuntimeError, "nothing is kept: the reader was made with keep_bytes 0");
		return NULL;
	}
	nb_payload_list_read(kept, &counts);
	nb_payload_list_view(kept, &view);
	dict = nb_dict_of(&counts, fields);
	if (dict && (nb_dict_take(dict, "payloads", bytes_of(view.bytes, view.byte_count, 1)) ||
		     nb_dict_take(dict, "payload_ends", bytes_of(view.ends, view.count, sizeof(*view.ends))) ||
		     nb_dict_take(dict, "stamps_ns", bytes_of(view.stamps_ns, view.count, sizeof(*view.stamps_ns)))))
		Py_CLEAR(dict);
	return dict;
}

static PyMethodDef reader_methods[] = {
	{ "feed", (PyCFunction)(void (*)(void))reader_feed, METH_VARARGS | METH_KEYWORDS,
	  "feed(data, table)\n\nThe next bytes of the file; False once it is broken: the rest is then ignored." },
	{ "finish", reader_finish, METH_NOARGS,
	  "finish()\n\nThe file is at its end; one that stops in the middle is broken." },
	{ "kept", reader_kept, METH_NOARGS,
	  "kept()\n\nThe payloads that were kept, to be sent again; not while another thread feeds it." },
	{ "counts", reader_counts, METH_NOARGS,
	  "counts()\n\nThe books of the file; while another thread feeds it, too." },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot reader_slots[] = {
	{ Py_tp_doc, "A capture file (pcap, pcapng), fed in pieces of any size." },
	{ Py_tp_new, reader_new },
	{ Py_tp_dealloc, reader_dealloc },
	{ Py_tp_methods, reader_methods },
	{ 0, NULL },
};

PyType_Spec nb_capture_reader_spec = {
	.name = "netbench._core.CaptureReader",
	.basicsize = sizeof(struct reader_object),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = reader_slots,
};
