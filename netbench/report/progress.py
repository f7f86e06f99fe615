"""What a person sees while a run measures: one calm line with a bar, or a line a trial where nobody watches."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from netbench.report import format
from netbench.report.terminal import Page
from netbench.result.plan import Plan
from netbench.result.trial import Trial

OVERHEAD_OF_A_TRIAL_S = 1.5  # starting agents and collecting what they counted, until a trial has shown how long it takes


class RunProgress:
    """Watches a run (`runner.Observer`) and shows it on standard error, so that standard output holds the result alone.

    Args:
        quiet: show nothing at all.
        console: where to; None: standard error. Where that is no terminal, each trial is one line.
    """

    def __init__(self, quiet: bool = False, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._page = Page(self._console)
        self._quiet = quiet
        self._expected_trial_s = OVERHEAD_OF_A_TRIAL_S
        self._trials = self._done = 0
        self._first_trial_at: float | None = None
        self._measuring_since = 0.0
        self._progress = Progress(
            TextColumn("{task.fields[bar_text]}", markup=False),
            BarColumn(bar_width=20, complete_style="blue", finished_style="green"),
            _Clock(self),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None, bar_text="")

    def __enter__(self) -> RunProgress:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def plan_known(self, plan: Plan, trials: int) -> None:
        """So many trials are to come."""
        self._trials = trials
        self._expected_trial_s = OVERHEAD_OF_A_TRIAL_S + plan.duration_s + plan.omit_s
        self._show(total=trials, bar_text=f"0/{trials}")

    def step(self, what: str) -> None:
        """Something other than a trial is being done."""
        self._show(description=self._page.text(what))

    def trial_started(self, environment: str, profile: str, sample: int) -> None:
        """A trial begins."""
        self._measuring_since = time.monotonic()
        if self._first_trial_at is None:
            self._first_trial_at = self._measuring_since
        self._show(description=self._page.text(f"{environment}, {profile}, sample {sample}"))

    def trial_ended(self, trial: Trial) -> None:
        """A trial is over; where there is no bar, it is told in one line."""
        self._done += 1
        now = time.monotonic()
        if self._first_trial_at is not None:
            self._expected_trial_s = (now - self._first_trial_at) / self._done
        self._measuring_since = now
        self._show(completed=self._done, bar_text=f"{self._done}/{self._trials}")
        if self._progress.disable and not self._quiet:
            self._page.line(Text(f"{self._done}/{self._trials}  {self._trial_line(trial)}"))

    def remaining_s(self) -> float | None:
        """Expected time to the end, from how long trials took so far; None before the plan is known."""
        if not self._trials:
            return None
        left_s = (self._trials - self._done) * self._expected_trial_s
        return left_s if self._first_trial_at is None else max(0.0, left_s - (time.monotonic() - self._measuring_since))

    def _show(self, **fields: object) -> None:
        self._progress.update(self._task, **fields)  # type: ignore[arg-type]  # names of rich's own fields and of ours

    @staticmethod
    def _trial_line(trial: Trial) -> str:
        what = f"{trial.environment}, {trial.profile}, sample {trial.sample}: "
        if trial.status != "ok":
            # What an environment cannot carry it cannot carry in any trial: why is said once, by the report.
            reason = (trial.reason or "").partition(": ")[0] if trial.status == "unsupported" else trial.reason
            return what + trial.status + (f": {reason}" if reason else "")
        if trial.loss is None:
            return what + trial.status
        return (
            what
            + format.loss(trial.loss.lost_here_packets, trial.loss.expected_here_packets, trial.loss.upper_bound_ratio)
            + " lost"
        )


class _Clock(ProgressColumn):
    """Elapsed, and what is left: `0:42, about 1:10 left`."""

    def __init__(self, run: RunProgress) -> None:
        super().__init__()
        self._run = run

    def render(self, task: Task) -> Text:
        elapsed, left = task.elapsed or 0.0, self._run.remaining_s()
        return Text(_clock(elapsed) + (f", about {_clock(left)} left" if left else ""), style="dim")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
