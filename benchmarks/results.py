"""Raw results as they are kept: records by task, and for each task when and on what it was taken.

Tasks may be measured one at a time: the newest results of a task replace the older ones of the same task.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Results = dict[str, Any]


def read(path: Path) -> Results:
    """What was kept; nothing where there is no file. An older file, taken at one go, becomes one taking a task."""
    if not path.is_file():
        return {"command": "", "takings": {}, "records": []}
    found: Results = json.loads(path.read_text(encoding="utf-8"))
    if "takings" not in found:
        tasks = dict.fromkeys(record["task"] for record in found["records"])
        kinds = {"moons-3": "moons", "moons-50": "moons", "sweep": "moons", "start": "moons", "softmax": "softmax"}
        data = {task: found["data"].get(kinds.get(task, ""), "") for task in tasks}
        found = {
            "command": found["command"],
            "takings": {task: taking(found["machine"], found["length"], data[task]) for task in tasks},
            "records": found["records"],
        }
    return found


def taking(machine: dict[str, Any], length: dict[str, Any], data: str) -> dict[str, Any]:
    """When and on what a task was measured."""
    return {"machine": machine, "length": length, "data": data}


def merged(older: Results, newer: Results) -> Results:
    """All tasks of both, the newer ones' in place of the older ones'."""
    kept = [record for record in older["records"] if record["task"] not in newer["takings"]]
    return {
        "command": newer["command"],
        "takings": {**older["takings"], **newer["takings"]},
        "records": kept + newer["records"],
    }


def write(results: Results, path: Path) -> None:
    """Keep them."""
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def machines(results: Results, tasks: Iterable[str]) -> dict[str, list[str]]:
    """In words, each machine and day and the tasks that were measured there."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        machine, length = (results["takings"][task][name] for name in ("machine", "length"))
        words = (
            f"{machine['processor']}, {machine['cores']} cores, vectors of {machine['vector width']}, "
            f"{machine['system']}, {machine['date']}, {length['rounds']} rounds"
        )
        found.setdefault(words, []).append(task)
    return found


def versions(results: Results, tasks: Iterable[str]) -> dict[str, str]:
    """The versions that took part; several of one package where tasks differ."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        for name, version in results["takings"][task]["machine"]["versions"].items():
            if version not in found.setdefault(name, []):
                found[name].append(version)
    return {name: " and ".join(each) for name, each in found.items()}
