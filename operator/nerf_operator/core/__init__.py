"""Pure decisions: no I/O, no clock, no framework. `plan.plan` is the entry."""
