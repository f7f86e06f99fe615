/* SPDX-License-Identifier: MIT */
/* module_table.c - StreamTable: fed by a capture in one thread, read by any other. */
#include "module.h"
#include "pooled.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>

/*
 * Theory of operation
 *
 * The table lock keeps a running capture from its packets, so it is held for copying only. What Python wants is copied under
 * the lock, one stream at a time, and turned into objects after it: each stream's dict is one consistent snapshot, two
 * streams' may be a moment apart. Streams, points and log entries are only ever appended (the series aside, which forgets its
 * oldest), so an index stays good between two locks, but for restart(), which takes them all away: it holds the GIL like every reader,
 * yet making an object can run the garbage collector, and so any Python code and thread. Who comes back from that looks again.
 */

struct table_object {
	PyObject_HEAD struct nb_table *table; /* owned */
};

static struct nb_table *table_in(PyObject *object)
{
	return ((struct table_object *)object)->table;
}

struct nb_table *nb_table_of(PyObject *object, const struct nb_module_state *state)
{
	if (Py_TYPE(object) == state->table)
		return table_in(object);
	PyErr_Format(PyExc_TypeError, "table must be a StreamTable, not %R", Py_TYPE(object));
	return NULL;
}

static PyObject *table_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	struct nb_table_config config = {
		.max_streams = 4096,
		.series_points = 4096,
		.tracker = {
			.reorder_window = 4096,
			.window_ns = 1000000000,
			.error_iat_ns = 45000000,
			.loss_distance = 99,
		},
	};
	const char *stamp_class = "kernel";
	const char *decode = "auto";
	struct nb_argument arguments[] = {
		NB_OPTIONAL("max_streams", &config.max_streams),
		NB_OPTIONAL("session", &config.session),
		NB_OPTIONAL("probes_only", &config.probes_only),
		NB_OPTIONAL("decode", &decode),
		NB_OPTIONAL("rtp_clock_hz", &config.rtp_clock_hz),
		NB_OPTIONAL("stamp_class", &stamp_class),
		NB_OPTIONAL("reorder_window", &config.tracker.reorder_window),
		NB_OPTIONAL("window_ns", &config.tracker.window_ns),
		NB_OPTIONAL("error_iat_ns", &config.tracker.error_iat_ns),
		NB_OPTIONAL("media_rate_bps", &config.tracker.media_rate_bps),
		NB_OPTIONAL("loss_distance", &config.tracker.loss_distance),
		NB_OPTIONAL("series_ns", &config.series_ns),
		NB_OPTIONAL("series_points", &config.series_points),
		NB_OPTIONAL("log_capacity", &config.log_capacity),
		NB_OPTIONAL("log_content", &config.log_content),
		NB_OPTIONAL("content_seed", &config.content_seed),
	};
	struct nb_error error = { 0 };
	struct table_object *self;

	if (NB_PARSE("StreamTable", args, kwargs, 0, arguments) ||
	    nb_parse_stamp_class(stamp_class, &config.stamp_class) || nb_parse_decode_mode(decode, &config.decode))
		return NULL;
	self = (struct table_object *)nb_object_new(type);
	if (!self)
		return NULL;
	if (nb_table_create(&self->table, &config, &error)) {
		self->table = NULL;
		Py_DECREF(self);
		return nb_raise_argument(&error);
	}
	return (PyObject *)self;
}

static void table_dealloc(PyObject *object)
{
	struct nb_table *table = table_in(object);

	if (table)
		nb_table_destroy(table);
	nb_object_free(object);
}

/* ---- in ---- */

static PyObject *feed_frame(struct nb_table *table, PyObject *frame, uint64_t wire_length, struct nb_packet *packet)
{
	PyObject *outcome;
	Py_buffer bytes;
	int code;

	if (PyObject_GetBuffer(frame, &bytes, PyBUF_SIMPLE))
		return NULL;
	if (wire_length < (uint64_t)bytes.len) {
		PyErr_SetString(PyExc_ValueError, "wire_length must be at least the length of frame");
		outcome = NULL;
		goto out_release;
	}
	code = nb_frame_parse(bytes.buf, (size_t)bytes.len, wire_length, packet);
	if (!code) {
		nb_table_lock(table);
		nb_table_record(table, packet);
		nb_table_unlock(table);
	}
	outcome = PyUnicode_FromString(!code ? "datagram" : code == -ENOMSG ? "not_udp" : "damaged");
out_release:
	PyBuffer_Release(&bytes);
	return outcome;
}

static PyObject *table_feed(PyObject *object, PyObject *args, PyObject *kwargs)
{
	struct nb_packet packet = { 0 };
	const char *stamp_class = "kernel";
	PyObject *frame = NULL;
	uint64_t wire_length = 0;
	struct nb_argument arguments[] = {
		NB_REQUIRED("frame", &frame),
		NB_REQUIRED("received_ns", &packet.received_ns),
		NB_REQUIRED("wire_length", &wire_length),
		NB_OPTIONAL("stamp_class", &stamp_class),
		NB_OPTIONAL("read_ns", &packet.read_ns),
	};

	if (NB_PARSE("feed", args, kwargs, 5, arguments) || nb_parse_stamp_class(stamp_class, &packet.stamp_class))
		return NULL;
	return feed_frame(table_in(object), frame, wire_length, &packet);
}

static PyObject *table_restart(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	struct nb_table *table = table_in(object);

	nb_table_lock(table);
	nb_table_restart(table);
	nb_table_unlock(table);
	Py_RETURN_NONE;
}

static PyObject *table_finish(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	struct nb_table *table = table_in(object);

	nb_table_lock(table);
	nb_table_finish(table);
	nb_table_unlock(table);
	Py_RETURN_NONE;
}

/* ---- out: totals ---- */

struct totals_snapshot {
	struct nb_table_totals totals;
	uint32_t streams;
};

static PyObject *table_totals(PyObject *object, PyObject *Py_UNUSED(ignored))
{
#define TOTAL(member) NB_FIELD_AS(#member, struct totals_snapshot, totals.member)
	static const struct nb_field fields[] = {
		TOTAL(packets),
		TOTAL(bytes),
		TOTAL(tracked),
		TOTAL(foreign),
		TOTAL(damaged),
		TOTAL(refused_streams),
		TOTAL(logged),
		TOTAL(log_overflow),
		TOTAL(series_overwritten),
		NB_FIELD_AS("stamps_user", struct totals_snapshot, totals.stamps[NB_STAMP_USER]),
		NB_FIELD_AS("stamps_kernel", struct totals_snapshot, totals.stamps[NB_STAMP_KERNEL]),
		NB_FIELD_AS("stamps_hardware", struct totals_snapshot, totals.stamps[NB_STAMP_HARDWARE]),
		TOTAL(first_ns),
		TOTAL(last_ns),
		NB_FIELD(struct totals_snapshot, streams),
		NB_FIELDS_END,
	};
#undef TOTAL
	struct nb_table *table = table_in(object);
	struct totals_snapshot snapshot;

	nb_table_lock(table);
	nb_table_totals(table, &snapshot.totals);
	snapshot.streams = nb_table_count(table);
	nb_table_unlock(table);
	return nb_dict_of(&snapshot, fields);
}

/* ---- out: streams ---- */

/* The names of the core's distributions; in parts where they are signed. */
static const char *const distribution_names[] = {
	[NB_IAT] = "iat",
	[NB_TRANSIT_ABOVE] = "transit_above",
	[NB_TRANSIT_BELOW] = "transit_below",
	[NB_IPDV_ABOVE] = "ipdv_above",
	[NB_IPDV_BELOW] = "ipdv_below",
	[NB_LOSS_LENGTH_PACKETS] = "loss_length_packets",
	[NB_LOSS_LENGTH_NS] = "loss_length_ns",
	[NB_LOSS_BETWEEN_PACKETS] = "loss_between_packets",
	[NB_LOSS_BETWEEN_NS] = "loss_between_ns",
	[NB_REORDER_EXTENT_PACKETS] = "reorder_extent_packets",
	[NB_REORDER_LATE_NS] = "reorder_late_ns",
};
static_assert(sizeof(distribution_names) / sizeof(*distribution_names) == NB_DISTRIBUTIONS,
	      "each distribution has a name");

struct stream_snapshot {
	struct nb_stream_key key;
	struct nb_stream_counts counts;
	struct nb_foreign_counts foreign;
	struct nb_summary summaries[NB_DISTRIBUTIONS]; /* of those that are in one part */
	struct nb_summary transit;
	struct nb_summary ipdv;
	/* Filled only where they are wanted. */
	struct nb_histogram histograms[NB_DISTRIBUTIONS];
	struct nb_time_window windows[NB_WINDOWS_KEPT];
	uint32_t windows_kept;
};

/* What of a stream is wanted besides its counts. */
struct stream_parts {
	bool histograms;
	bool windows;
};

static void copy_signed(struct stream_snapshot *snapshot, const struct nb_tracker *tracker)
{
	const struct nb_histogram *above = nb_tracker_distribution(tracker, NB_IPDV_ABOVE);
	const struct nb_histogram *below = nb_tracker_distribution(tracker, NB_IPDV_BELOW);
	int64_t least = below->count ? -(int64_t)below->max : (int64_t)above->min;
	int64_t most = above->count ? (int64_t)above->max : -(int64_t)below->min;

	nb_summary_of_offsets(&snapshot->ipdv, above, below, 0, least, most);
	nb_summary_of_offsets(&snapshot->transit, nb_tracker_distribution(tracker, NB_TRANSIT_ABOVE),
			      nb_tracker_distribution(tracker, NB_TRANSIT_BELOW), snapshot->counts.transit_base_ns,
			      snapshot->counts.transit_min_ns, snapshot->counts.transit_max_ns);
}

/* Return: false when there is no such stream any more. */
static bool copy_stream(struct stream_snapshot *snapshot, struct nb_table *table, uint32_t index,
			const struct stream_parts *parts)
{
	const struct nb_tracker *tracker;

	nb_table_lock(table);
	if (index >= nb_table_count(table)) {
		nb_table_unlock(table);
		return false;
	}
	snapshot->key = *nb_table_key(table, index);
	tracker = nb_table_tracker(table, index);
	nb_tracker_read(tracker, &snapshot->counts);
	nb_table_foreign(table, index, &snapshot->foreign);
	copy_signed(snapshot, tracker);
	for (int which = 0; which < NB_DISTRIBUTIONS; which++) {
		const struct nb_histogram *histogram = nb_tracker_distribution(tracker, (enum nb_distribution)which);

		nb_summary_of(&snapshot->summaries[which], histogram);
		if (parts->histograms)
			snapshot->histograms[which] = *histogram;
	}
	snapshot->windows_kept = parts->windows ? nb_tracker_windows(tracker, snapshot->windows) : 0;
	nb_table_unlock(table);
	return true;
}

static PyObject *address_object(uint8_t family, const uint8_t address[16])
{
	char text[INET6_ADDRSTRLEN];

	if (!inet_ntop(family == 6 ? AF_INET6 : AF_INET, address, text, sizeof(text)))
		return PyErr_SetFromErrno(PyExc_OSError);
	return PyUnicode_FromString(text);
}

static int fill_key(PyObject *dict, const struct nb_stream_key *key)
{
	static const struct nb_field fields[] = {
		NB_FIELD(struct nb_stream_key, session),
		NB_FIELD(struct nb_stream_key, stream),
		NB_FIELD_AS("source_port", struct nb_stream_key, flow.source_port),
		NB_FIELD_AS("destination_port", struct nb_stream_key, flow.destination_port),
		NB_FIELDS_END,
	};
	const struct nb_flow *flow = &key->flow;

	if (nb_dict_fill(dict, key, fields))
		return -1;
	if (nb_dict_take(dict, "source", address_object(flow->family, flow->source)))
		return -1;
	return nb_dict_take(dict, "destination", address_object(flow->family, flow->destination));
}

/* Negative: there is none. */
static PyObject *delay_factor_object(double delay_factor_ns)
{
	if (delay_factor_ns < 0)
		Py_RETURN_NONE;
	return PyFloat_FromDouble(delay_factor_ns);
}

static int fill_counts(PyObject *dict, const struct nb_stream_counts *counts)
{
#define COUNT(member) NB_FIELD(struct nb_stream_counts, member)
	static const struct nb_field fields[] = {
		COUNT(packets),
		COUNT(bytes),
		COUNT(unique),
		COUNT(duplicate),
		COUNT(replicated),
		COUNT(reordered),
		COUNT(three_reordered),
		COUNT(missing),
		COUNT(beyond_window),
		COUNT(lost),
		COUNT(loss_periods),
		COUNT(longest_loss),
		COUNT(noticeable_losses),
		COUNT(first_sequence),
		COUNT(last_sequence),
		COUNT(sequenced),
		COUNT(first_ns),
		COUNT(last_ns),
		COUNT(jitter_ns),
		COUNT(jitter_max_ns),
		COUNT(clock_backwards),
		COUNT(windows),
		COUNT(iat_error_windows),
		COUNT(transit_base_ns),
		COUNT(transit_min_ns),
		COUNT(transit_max_ns),
		COUNT(intervals),
		COUNT(interval_missing_last),
		COUNT(interval_missing_max),
		NB_FIELD_AS("stamps_user", struct nb_stream_counts, stamps[NB_STAMP_USER]),
		NB_FIELD_AS("stamps_kernel", struct nb_stream_counts, stamps[NB_STAMP_KERNEL]),
		NB_FIELD_AS("stamps_hardware", struct nb_stream_counts, stamps[NB_STAMP_HARDWARE]),
		NB_FIELDS_END,
	};
#undef COUNT

	if (nb_dict_fill(dict, counts, fields))
		return -1;
	if (nb_dict_take(dict, "delay_factor_max_ns", delay_factor_object(counts->delay_factor_max_ns)))
		return -1;
	return nb_dict_take(dict, "delay_factor_last_ns", delay_factor_object(counts->delay_factor_last_ns));
}

static int fill_summaries(PyObject *dict, const struct stream_snapshot *snapshot)
{
	if (nb_dict_take(dict, "iat_ns", nb_summary_object(&snapshot->summaries[NB_IAT])))
		return -1;
	if (nb_dict_take(dict, "transit_ns", nb_summary_object(&snapshot->transit)))
		return -1;
	if (nb_dict_take(dict, "ipdv_ns", nb_summary_object(&snapshot->ipdv)))
		return -1;
	for (int which = NB_LOSS_LENGTH_PACKETS; which < NB_DISTRIBUTIONS; which++) {
		if (nb_dict_take(dict, distribution_names[which], nb_summary_object(&snapshot->summaries[which])))
			return -1;
	}
	return 0;
}

static int fill_histograms(PyObject *dict, const struct stream_snapshot *snapshot)
{
	for (int which = 0; which < NB_DISTRIBUTIONS; which++) {
		PyObject *key = PyUnicode_FromFormat("%s_histogram", distribution_names[which]);
		PyObject *data = key ? nb_histogram_data(&snapshot->histograms[which]) : NULL;
		int code = data ? PyDict_SetItem(dict, key, data) : -1;

		Py_XDECREF(data);
		Py_XDECREF(key);
		if (code)
			return -1;
	}
	return 0;
}

static PyObject *windows_object(const struct stream_snapshot *snapshot)
{
	static const struct nb_field fields[] = {
		NB_FIELD(struct nb_time_window, number),     NB_FIELD(struct nb_time_window, packets),
		NB_FIELD(struct nb_time_window, bytes),      NB_FIELD(struct nb_time_window, missing),
		NB_FIELD(struct nb_time_window, iat_count),  NB_FIELD(struct nb_time_window, iat_sum_ns),
		NB_FIELD(struct nb_time_window, iat_max_ns), NB_FIELDS_END,
	};
	PyObject *list = PyList_New(snapshot->windows_kept);

	for (uint32_t i = 0; list && i < snapshot->windows_kept; i++) {
		PyObject *window = nb_dict_of(&snapshot->windows[i], fields);

		if (!window || PyList_SetItem(list, i, window))
			Py_CLEAR(list);
	}
	return list;
}

static PyObject *stream_object(const struct stream_snapshot *snapshot, const struct stream_parts *parts)
{
	PyObject *dict = PyDict_New();

	if (!dict)
		return NULL;
	if (nb_dict_fill_foreign(dict, &snapshot->key, &snapshot->foreign))
		goto fail;
	if (fill_key(dict, &snapshot->key) || fill_counts(dict, &snapshot->counts) || fill_summaries(dict, snapshot))
		goto fail;
	if (parts->histograms && fill_histograms(dict, snapshot))
		goto fail;
	if (parts->windows && nb_dict_take(dict, "kept_windows", windows_object(snapshot)))
		goto fail;
	return dict;
fail:
	Py_DECREF(dict);
	return NULL;
}

static PyObject *table_streams(PyObject *object, PyObject *args, PyObject *kwargs)
{
	struct nb_table *table = table_in(object);
	struct stream_parts parts = { 0 };
	struct nb_argument arguments[] = {
		NB_OPTIONAL("histograms", &parts.histograms),
		NB_OPTIONAL("windows", &parts.windows),
	};
	struct stream_snapshot *snapshot;
	PyObject *list;

	if (NB_PARSE("streams", args, kwargs, 0, arguments))
		return NULL;
	snapshot = PyMem_Malloc(sizeof(*snapshot));
	if (!snapshot)
		return PyErr_NoMemory();
	list = PyList_New(0);
	for (uint32_t i = 0; list && copy_stream(snapshot, table, i, &parts); i++) {
		PyObject *stream = stream_object(snapshot, &parts);

		if (!stream || PyList_Append(list, stream))
			Py_CLEAR(list);
		Py_XDECREF(stream);
	}
	PyMem_Free(snapshot);
	return list;
}

/* ---- out: histograms, series, log ---- */

/* Return: 1 copied, 0 there is no such distribution, -1 no such name. */
static int copy_histogram(struct nb_histogram *copy, const struct nb_table *table, const char *name)
{
	if (!strcmp(name, "transit"))
		return nb_pooled_transit(copy, table);
	if (!strcmp(name, "pdv")) {
		nb_pooled_pdv(copy, table);
		return 1;
	}
	if (!strcmp(name, "delivery")) {
		*copy = *nb_table_delivery(table);
		return 1;
	}
	for (int which = 0; which < NB_DISTRIBUTIONS; which++) {
		/* Each stream's transit has a base of its own. */
		if (which == NB_TRANSIT_ABOVE || which == NB_TRANSIT_BELOW ||
		    strcmp(name, distribution_names[which]) != 0)
			continue;
		nb_pooled(copy, table, (enum nb_distribution)which);
		return 1;
	}
	return -1;
}

static PyObject *table_histogram(PyObject *object, PyObject *args, PyObject *kwargs)
{
	struct nb_table *table = table_in(object);
	const char *name = NULL;
	struct nb_argument arguments[] = { NB_REQUIRED("name", &name) };
	struct nb_histogram copy;
	int found;

	if (NB_PARSE("histogram", args, kwargs, 1, arguments))
		return NULL;
	nb_table_lock(table);
	found = copy_histogram(&copy, table, name);
	nb_table_unlock(table);
	if (found > 0)
		return nb_histogram_data(&copy);
	if (!found)
		Py_RETURN_NONE;
	PyErr_Format(PyExc_ValueError,
		     "name must be 'iat', 'pdv', 'transit', 'delivery' or another distribution, not '%s'", name);
	return NULL;
}

/* Return: points copied to *@points (to be freed), or -1 with an exception. */
static int64_t copy_series(struct nb_table *table, struct nb_series_point **points)
{
	uint32_t room, count;

	nb_table_lock(table);
	room = nb_table_series_count(table);
	nb_table_unlock(table);
	*points = PyMem_Malloc(room ? room * sizeof(**points) : 1);
	if (!*points) {
		PyErr_NoMemory();
		return -1;
	}
	nb_table_lock(table);
	count = nb_table_series_count(table);
	for (uint32_t i = 0; i < count && i < room; i++)
		(*points)[i] = *nb_table_series(table, i);
	nb_table_unlock(table);
	return count < room ? count : room;
}

static PyObject *table_series(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	static const struct nb_field fields[] = {
		NB_FIELD(struct nb_series_point, start_ns),
		NB_FIELD(struct nb_series_point, packets),
		NB_FIELD(struct nb_series_point, bytes),
		NB_FIELD(struct nb_series_point, iat_count),
		NB_FIELD(struct nb_series_point, iat_sum_ns),
		NB_FIELD(struct nb_series_point, iat_max_ns),
		NB_FIELDS_END,
	};
	struct nb_series_point *points;
	int64_t count = copy_series(table_in(object), &points);
	PyObject *list;

	if (count < 0)
		return NULL;
	list = PyList_New((Py_ssize_t)count);
	for (int64_t i = 0; list && i < count; i++) {
		PyObject *point = nb_dict_of(&points[i], fields);

		if (!point || PyList_SetItem(list, (Py_ssize_t)i, point))
			Py_CLEAR(list);
	}
	PyMem_Free(points);
	return list;
}

static PyObject *table_log(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	struct nb_table *table = table_in(object);
	const struct nb_log_entry *entries;
	uint64_t count;
	PyObject *bytes;

	static_assert(sizeof(*entries) == 16, "the layout that log() promises");
	nb_table_lock(table);
	entries = nb_table_log(table, &count);
	nb_table_unlock(table);

	/* Entries are written once, before the count that includes them, so a long log is copied without the lock. */
	bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * sizeof(*entries)));
	if (bytes && count)
		memcpy(PyBytes_AsString(bytes), entries, count * sizeof(*entries));
	return bytes;
}

static PyMethodDef table_methods[] = {
	{ "feed", (PyCFunction)(void (*)(void))table_feed, METH_VARARGS | METH_KEYWORDS,
	  "feed(frame, received_ns, wire_length, stamp_class='kernel', read_ns=0)\n\n"
	  "One Ethernet frame. Returns 'datagram', 'not_udp' or 'damaged'." },
	{ "restart", table_restart, METH_NOARGS, "restart()\n\nForget every packet so far." },
	{ "finish", table_finish, METH_NOARGS,
	  "finish()\n\nSettle what is still open; afterwards holes count as lost." },
	{ "totals", table_totals, METH_NOARGS, "totals()\n\nCounts over all streams." },
	{ "streams", (PyCFunction)(void (*)(void))table_streams, METH_VARARGS | METH_KEYWORDS,
	  "streams(*, histograms=False, windows=False)\n\nOne dict a stream, in order of first arrival." },
	{ "histogram", (PyCFunction)(void (*)(void))table_histogram, METH_VARARGS | METH_KEYWORDS,
	  "histogram(name)\n\nOne distribution over all streams, by its name: 'iat', 'pdv', 'transit', 'delivery', ..." },
	{ "series", table_series, METH_NOARGS, "series()\n\nPoints of the time series, oldest first." },
	{ "log", table_log, METH_NOARGS, "log()\n\nThe packet log: entries of 16 bytes, native byte order. A copy." },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot table_slots[] = {
	{ Py_tp_doc, "Streams, their trackers, time series and packet log." },
	{ Py_tp_new, table_new },
	{ Py_tp_dealloc, table_dealloc },
	{ Py_tp_methods, table_methods },
	{ 0, NULL },
};

PyType_Spec nb_table_spec = {
	.name = "netbench._core.StreamTable",
	.basicsize = sizeof(struct table_object),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = table_slots,
};
