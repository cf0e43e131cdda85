"""`make check`: known vulnerabilities of the locked dependencies, and secrets in the files of the project.

Advisories come from the package index over the network. Where it is out of reach, this is said, and is no failure.
`.secrets.baseline` has hashes of what looks like a secret and is none; `python -m tests.audit --accept` writes it anew,
to be read in the diff.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detect_secrets import SecretsCollection
from detect_secrets.settings import default_settings

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / ".secrets.baseline"
# Data of providers and of invented people is full of ids that look like secrets.
NOT_SCANNED = ("data/", "requirements.lock", BASELINE.name)
# File, kind and SHA-1 of something that looks like a secret.
Finding = tuple[str, str, str]


def main() -> int:
    if sys.argv[1:] == ["--accept"]:
        BASELINE.write_text(json.dumps(sorted(found_secrets()), indent=0) + "\n")
        return 0
    return max(_audit_dependencies(), _scan_for_secrets())


def _audit_dependencies() -> int:
    command = [sys.executable, "-m", "pip_audit", "--requirement", "requirements.lock", "--disable-pip", "--no-deps"]
    options = ["--format", "json", "--progress-spinner", "off", "--timeout", "5"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        dependencies: Sequence[Mapping[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        reason = done.stderr.strip().splitlines()[-1:] or ["no answer"]
        print(f"dependencies: not audited, the advisories are out of reach ({reason[0]})")
        return 0
    audited = [one for one in dependencies if "vulns" in one]
    print(f"dependencies: {len(audited)} of {len(dependencies)} audited; the others are unknown to the index in reach")
    vulnerable = [(one["name"], one["version"], vulnerability) for one in audited for vulnerability in one["vulns"]]
    for name, version, vulnerability in vulnerable:
        print(f"  {name} {version}: {vulnerability['id']}, fixed in {', '.join(vulnerability['fix_versions']) or '-'}")
    return int(bool(vulnerable))


def _scan_for_secrets() -> int:
    accepted = {tuple(one) for one in json.loads(BASELINE.read_text())}
    found = found_secrets()
    for (file, kind, _), line in sorted(found.items()):
        if (file, kind, _) not in accepted:
            print(f"  {file}:{line}: {kind}")
    new = found.keys() - accepted
    print(f"secrets: {len(new)} found" if new else "secrets: none found")
    return int(bool(new))


def found_secrets() -> dict[Finding, int]:
    """What looks like a secret in the files under version control, with its line."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    files = [name for name in listed.stdout.split("\0") if name and not name.startswith(NOT_SCANNED)]
    secrets = SecretsCollection(root=str(ROOT))
    with default_settings():
        secrets.scan_files(*files)
    return {(file, secret.type, secret.secret_hash): secret.line_number for file, secret in secrets}


if __name__ == "__main__":
    sys.exit(main())
