"""Run benchmarks by name; all of them without a name. Exit code 1 if a limit is exceeded."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from tests import benchmarks


def found() -> dict[str, ModuleType]:
    """The benchmarks by name: the modules of this package that define `measure`."""
    names = [module.name for module in iter_modules(benchmarks.__path__) if module.name != "__main__"]
    modules = {name: import_module(f"{benchmarks.__name__}.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "measure")}


def main() -> int:
    """Measure and print; with --json one document on standard output."""
    known = found()
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=benchmarks.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument(
        "--people", type=int, default=100_000, help="simulated for `run`; sent offers by `sending_offers`"
    )
    parser.add_argument("--observations", type=int, default=1_000_000, help="how many are made up for `resolve`")
    parser.add_argument("--profiles", type=int, default=1_000_000, help="whose histories are made up for `segments`")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long `load` lasts")
    parser.add_argument("--kills", type=int, default=100, help="of servers and workers, for `sending_kills`")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    options = parser.parse_args()
    if unknown := set(options.names) - known.keys():
        parser.error(f"no benchmark named {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    reports = {}
    for name in options.names or known:
        reports[name] = known[name].measure(options)
        if not options.json:
            reports[name].show(name)
    if options.json:
        print(json.dumps({name: report.as_document() for name, report in reports.items()}, indent=2))
    return 0 if all(report.is_within_limits for report in reports.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
