"""The report of a training: one self-contained page that opens in any browser without a network."""

from pellucid.see.report.page import write_report

__all__ = ["write_report"]
