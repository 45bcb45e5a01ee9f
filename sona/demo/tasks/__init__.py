"""The tasks of the demo, one adapter each."""

from sona.demo.tasks import iso_date, json_record, shell_command, sql_filter, ticket_triage
from sona.demo.tasks.common import Example, Task

TASKS: tuple[Task, ...] = (
    iso_date.TASK,
    json_record.TASK,
    shell_command.TASK,
    sql_filter.TASK,
    ticket_triage.TASK,
)

__all__ = ["TASKS", "Example", "Task"]
