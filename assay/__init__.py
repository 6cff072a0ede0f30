"""The harness: plan, evidence, verdicts, reports."""
