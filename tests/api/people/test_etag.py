"""A profile that has not changed need not be sent again."""

from __future__ import annotations

from tests.api.service import ANN, NOBODY, Service


def test_an_unchanged_profile_is_not_sent_again(lasting: Service) -> None:
    url, headers = f"/v1/profiles/{ANN}", lasting.headers(lasting.reader)
    first = lasting.http.get(url, headers=headers)
    etag = first.headers["etag"]
    for known in (etag, f'"other", W/{etag}', "*"):
        again = lasting.http.get(url, headers={**headers, "If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    changed = lasting.http.get(url, headers={**headers, "If-None-Match": '"other"'})
    assert (changed.status_code, changed.content) == (200, first.content)
    whole = lasting.http.get(f"{url}?include=metrics", headers={**headers, "If-None-Match": etag})
    assert whole.status_code == 200


def test_whether_a_profile_has_changed_is_asked_without_a_body(lasting: Service) -> None:
    url, headers = f"/v1/profiles/{ANN}", lasting.headers(lasting.reader)
    shown, told = lasting.http.get(url, headers=headers), lasting.http.head(url, headers=headers)
    assert (told.status_code, told.content) == (200, b"")
    assert told.headers["etag"] == shown.headers["etag"]
    assert told.headers["content-length"] == str(len(shown.content))
    known = lasting.http.head(url, headers={**headers, "If-None-Match": told.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    assert lasting.http.head(f"/v1/profiles/{NOBODY}", headers=headers).status_code == 404


def test_health_is_checked_without_a_body(lasting: Service) -> None:
    assert lasting.http.head("/healthz").status_code == 200


def test_every_response_forbids_guessing_and_tells_no_other_site(lasting: Service) -> None:
    for path in ("/healthz", "/nothing", f"/v1/profiles/{ANN}", "/u/forged"):
        headers = lasting.http.get(path).headers
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert headers["strict-transport-security"].startswith("max-age=")


def test_operations_have_names_for_generated_clients(lasting: Service) -> None:
    paths = lasting.app.openapi()["paths"]
    names = [operation["operationId"] for operations in paths.values() for operation in operations.values()]
    assert len(names) == len(set(names))
    assert {"read_profile", "decide", "track", "batch", "record_consent"} <= set(names)
