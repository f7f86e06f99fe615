"""What a person reads: a run becomes plain presentation data once (`view`), then text, a page or Markdown. Offline only."""

from netbench.report.files import write_reports

__all__ = ["write_reports"]
