"use strict";
(() => {
	const items = JSON.parse(document.getElementById("series-data").textContent);
	const form = document.getElementById("series-form");
	const profile = document.getElementById("series-profile");
	const sample = document.getElementById("series-sample");
	const places = ["series-rate", "series-iat"].map((id) => document.getElementById(id));
	const dashes = [[], [8, 3], [2, 2], [8, 3, 2, 3]];
	let charts = [];

	const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
	const options = (select, values) => {
		const kept = select.value;
		select.replaceChildren(...values.map((value) => new Option(value, value)));
		if (values.map(String).includes(kept)) select.value = kept;
	};
	const rate = (value) => value == null ? "–" : value >= 1e3 ? (value / 1e3).toPrecision(3) + " kpps" : value.toPrecision(3) + " pps";
	const time = (ms) => ms == null ? "–" : ms >= 1e3 ? (ms / 1e3).toPrecision(3) + " s" : ms >= 1 ? ms.toPrecision(3) + " ms"
		: (ms * 1e3).toPrecision(3) + " µs";
	const tick = (value, show) => value === 0 ? "0" : show(value).replace(/\.0+(?=\D)|(\.\d*[1-9])0+(?=\D)/, "$1");

	/* A logarithmic axis where the values span decades, so that one stall does not flatten everything else. */
	const spansDecades = (lines, key) => {
		const values = lines.flatMap((line) => line[key]).filter((value) => value != null);
		return values.every((value) => value > 0) && Math.max(...values) > 20 * Math.min(...values);
	};

	const chart = (place, item, key, title, show) => {
		const logarithmic = spansDecades(item.lines, key);
		const axis = { stroke: css("--muted"), grid: { stroke: css("--grid"), width: 1 }, ticks: { stroke: css("--grid"), width: 1 } };
		return new uPlot({
			title,
			width: Math.max(280, place.clientWidth),
			height: 230,
			cursor: { sync: { key: "netbench" } },
			scales: { x: { time: false }, y: logarithmic ? { distr: 3 } : { range: (_, low, high) => [Math.min(0, low), (high || 1) * 1.08] } },
			axes: [
				{ ...axis, values: (_, values) => values.map((value) => value + " s") },
				{ ...axis, size: 84, values: (_, values) => values.map((value) => value == null ? "" : tick(value, show)) },
			],
			series: [
				{ label: "time", value: (_, value) => value == null ? "–" : value.toFixed(2) + " s" },
				...item.lines.map((line) => ({
					label: line.environment,
					stroke: css("--env" + line.slot % 8),
					width: 1.6,
					dash: dashes[line.slot % dashes.length],
					points: { show: item.time_s.length < 3 },
					value: (_, value) => show === time ? time(value) : rate(value),
				})),
			],
		}, [item.time_s, ...item.lines.map((line) => line[key])], place);
	};

	const draw = () => {
		charts.forEach((old) => old.destroy());
		const item = items.find((one) => one.profile === profile.value && String(one.sample) === sample.value);
		if (!item) return;
		charts = [
			chart(places[0], item, "packets_per_second", "Packets per second", rate),
			chart(places[1], item, "iat_max_ms", "Largest inter-arrival time", time),
		];
	};
	const choose = () => {
		options(sample, items.filter((item) => item.profile === profile.value).map((item) => item.sample));
		draw();
	};

	options(profile, [...new Set(items.map((item) => item.profile))]);
	profile.addEventListener("change", choose);
	sample.addEventListener("change", draw);
	addEventListener("resize", () => charts.forEach((one, index) => one.setSize({ width: Math.max(280, places[index].clientWidth), height: 230 })));
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
	form.hidden = false;
	choose();
})();
