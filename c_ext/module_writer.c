/* SPDX-License-Identifier: MIT */
/* module_writer.c - PcapWriter: capture files, written by a capture that runs. */
#include "module.h"

#include <limits.h>
#include <string.h>

#include "pcap_writer.h"

struct writer_object {
	PyObject_HEAD struct nb_pcap_writer *handle; /* owned */
	bool busy; /* under the GIL: a capture or close() is inside */
};

bool nb_writer_begin(PyObject *object, const struct nb_module_state *state, struct nb_pcap_writer **writer)
{
	struct writer_object *self = (struct writer_object *)object;

	if (Py_TYPE(object) != state->pcap_writer) {
		PyErr_Format(PyExc_TypeError, "writer must be a PcapWriter, not %R", Py_TYPE(object));
		return false;
	}
	if (self->busy) {
		PyErr_SetString(PyExc_RuntimeError, "the writer is in use: one capture at a time writes to it");
		return false;
	}
	self->busy = true;
	*writer = self->handle;
	return true;
}

void nb_writer_end(PyObject *object)
{
	((struct writer_object *)object)->busy = false;
}

static int parse_format(const char *text, enum nb_pcap_format *format)
{
	if (strcmp(text, "pcap") == 0)
		*format = NB_FORMAT_PCAP;
	else if (strcmp(text, "pcapng") == 0)
		*format = NB_FORMAT_PCAPNG;
	else {
		PyErr_Format(PyExc_ValueError, "format must be 'pcap' or 'pcapng', not '%s'", text);
		return -1;
	}
	return 0;
}

static PyObject *writer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	struct nb_pcap_writer_config config = { 0 };
	const char *format = "pcapng";
	struct nb_argument arguments[] = {
		NB_REQUIRED("path", &config.path),
		NB_OPTIONAL("format", &format),
		NB_OPTIONAL("snapshot_bytes", &config.snapshot_bytes),
		NB_OPTIONAL("application", &config.application),
		NB_OPTIONAL("interface", &config.interface),
		NB_OPTIONAL("filter", &config.filter),
		NB_OPTIONAL("rotate_bytes", &config.rotate_bytes),
		NB_OPTIONAL("rotate_ns", &config.rotate_ns),
		NB_OPTIONAL("files", &config.files),
		NB_OPTIONAL("frames", &config.frames),
		NB_OPTIONAL("overwrite", &config.overwrite),
	};
	struct nb_error error = { 0 };
	struct writer_object *self;

	if (NB_PARSE("PcapWriter", args, kwargs, 0, arguments) || parse_format(format, &config.format))
		return NULL;
	self = (struct writer_object *)nb_object_new(type);
	if (!self)
		return NULL;
	if (nb_pcap_writer_create(&self->handle, &config, &error)) {
		nb_raise_argument(&error);
		Py_DECREF(self);
		return NULL;
	}
	return (PyObject *)self;
}

static void writer_dealloc(PyObject *object)
{
	nb_pcap_writer_destroy(((struct writer_object *)object)->handle);
	nb_object_free(object);
}

static PyObject *writer_close(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	struct writer_object *self = (struct writer_object *)object;

	if (self->busy) {
		PyErr_SetString(PyExc_RuntimeError, "the writer is in use: stop the capture that writes to it first");
		return NULL;
	}
	self->busy = true;
	/* Dropped, since a disk may take its time. */
	Py_BEGIN_ALLOW_THREADS nb_pcap_writer_close(self->handle);
	Py_END_ALLOW_THREADS self->busy = false;
	Py_RETURN_NONE;
}

static PyObject *writer_counts(PyObject *object, PyObject *Py_UNUSED(ignored))
{
#define COUNT(member) NB_FIELD(struct nb_pcap_writer_counts, member)
	static const struct nb_field fields[] = {
		COUNT(frames),
		COUNT(written),
		COUNT(failed),
		COUNT(left_out),
		COUNT(cut),
		COUNT(dropped),
		COUNT(bytes),
		COUNT(files),
		COUNT(deleted_files),
		COUNT(deleted_frames),
		COUNT(deletion_failures),
		COUNT(write_calls),
		COUNT(error_number),
		NB_FIELDS_END,
	};
#undef COUNT
	struct nb_pcap_writer_counts counts = { 0 };

	nb_pcap_writer_read(((struct writer_object *)object)->handle, &counts);
	return nb_dict_of(&counts, fields);
}

static PyObject *file_object(const struct nb_pcap_writer *writer, const struct nb_pcap_file *file)
{
	static const struct nb_field fields[] = {
		NB_FIELD(struct nb_pcap_file, number),
		NB_FIELD(struct nb_pcap_file, frames),
		NB_FIELD(struct nb_pcap_file, dropped),
		NB_FIELD(struct nb_pcap_file, bytes),
		NB_FIELD(struct nb_pcap_file, first_ns),
		NB_FIELD(struct nb_pcap_file, last_ns),
		NB_FIELDS_END,
	};
	PyObject *dict = nb_dict_of(file, fields);
	char path[PATH_MAX];

	nb_pcap_writer_path(writer, file->number, path, sizeof(path)); /* fits: the file was opened by it */
	if (dict && nb_dict_take(dict, "path", PyUnicode_DecodeFSDefault(path)))
		Py_CLEAR(dict);
	return dict;
}

static PyObject *writer_files(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	struct nb_pcap_writer *writer = ((struct writer_object *)object)->handle;
	const uint32_t most = nb_pcap_writer_files_told(writer);
	struct nb_pcap_file *files = PyMem_Calloc(most, sizeof(*files));
	PyObject *list;
	uint32_t count;

	if (!files)
		return PyErr_NoMemory();
	count = nb_pcap_writer_files(writer, files, most);
	list = PyList_New(0);
	for (uint32_t i = 0; list && i < count; i++) {
		PyObject *dict = file_object(writer, &files[i]);

		if (!dict || PyList_Append(list, dict))
			Py_CLEAR(list);
		Py_XDECREF(dict);
	}
	PyMem_Free(files);
	return list;
}

static PyMethodDef writer_methods[] = {
	{ "close", writer_close, METH_NOARGS,
	  "close()\n\nComplete the last file; what is refused stands in counts()." },
	{ "counts", writer_counts, METH_NOARGS, "counts()\n\nThe writer's books; while a capture writes, too." },
	{ "files", writer_files, METH_NOARGS, "files()\n\nA dict for each of the newest files, oldest first." },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot writer_slots[] = {
	{ Py_tp_doc, "Capture files; the first one is there once constructed." },
	{ Py_tp_new, writer_new },
	{ Py_tp_dealloc, writer_dealloc },
	{ Py_tp_methods, writer_methods },
	{ 0, NULL },
};

PyType_Spec nb_pcap_writer_spec = {
	.name = "netbench._core.PcapWriter",
	.basicsize = sizeof(struct writer_object),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = writer_slots,
};
