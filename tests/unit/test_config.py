"""Settings: every mistake is named, all at once, and nothing starts half-set."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import bootstrap, config
from gateway.config import TABLE, from_environment
from gateway.domain.clock import SystemClock
from gateway.domain.errors import BadSettings
from tests.builders import environment, write_peers
from tools import generated_docs

WRONG = {
    "PROFILE": ["", "live", "Demo"],
    "DATABASE_URL": ["", "mysql://x/y", "gateway.db"],
    "LISTEN": ["8080", ":8080", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:８０"],
    "THREADS": ["0", "1", "257", "x", "-4", "１６", "²"],
    "WORKERS": ["0", "65", "1.5"],
    "DRAIN_SECONDS": ["0", "601"],
    "ADDRESS_RATE": ["0", ""],
    "CLIENT_RATE": ["0", "100001"],
    "CLIENT_AT_ONCE": ["0", "1001"],
    "SIGN_IN_RATE": ["0", "1001", "x"],
    "TRUSTED_PROXIES": ["10.0.0.1/8", "proxy"],
    "OPS_NETWORKS": ["everyone", "127.0.0.0/8,,x"],
    "DIGEST": ["md5", "SHA256"],
    "SHELF_HOURS": ["0", "721", ""],
    "WORKER_LISTEN": ["9100", ":9100", "127.0.0.1:x"],
    "LOG_ID": ["", "two words", 'a"b', "x" * 65, "a\n"],
    "LOG_LEVEL": ["loud", "INFO"],
    "LOG_FORMAT": ["xml"],
}
ANY_PATH = {"KEYS_DIR", "PEERS_FILE", "BLOBS_DIR"}  # any text is a path; what is missing is told when it is read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_peers(tmp_path)
    return tmp_path


def read(folder: Path, **settings: str) -> config.Settings:
    return from_environment(environment(folder, "sqlite:///x.db", **settings))


def problems(folder: Path, peers: str = "", **settings: str) -> list[str]:
    if peers:
        (folder / "peers.toml").write_text(peers, encoding="utf-8")
    with pytest.raises(BadSettings) as caught:
        read(folder, **settings)
    return str(caught.value).splitlines()


def test_good_settings_are_read_and_frozen(folder: Path) -> None:
    found = read(folder, LISTEN="127.0.0.1:1", TRUSTED_PROXIES="10.0.0.0/8, ::1/128")
    assert found.listen == ("127.0.0.1", 1)
    assert found.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert found.backends["FT_SBX"].values["deadline"] == 3.0
    assert found.sandbox is True
    with pytest.raises(AttributeError):
        found.threads = 3  # type: ignore[misc]  # that it is frozen is what is tested


def test_every_setting_of_the_table_has_a_wrong_value_here() -> None:
    assert {setting.name for setting in TABLE} == set(WRONG) | ANY_PATH


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_one_problem_that_names_the_setting(folder: Path, name: str, value: str) -> None:
    told = problems(folder, **{name: value})
    assert told[0].startswith(f"GATEWAY_{name}=")


def test_the_default_of_every_setting_is_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "peers.toml").write_text("")
    found = from_environment({})
    assert (found.profile, found.sandbox, found.backends) == ("production", False, {})


def test_all_problems_are_told_at_once(folder: Path) -> None:
    told = problems(folder, "[backends.FT_SBX]\ncap = 0\n", THREADS="0", DIGEST="md5", LISTEN="x")
    assert len(told) == 5
    assert [name for name in ("THREADS", "DIGEST", "LISTEN", "cap", "base_url") if name not in "\n".join(told)] == []


def test_an_unknown_name_is_a_problem_and_the_nearest_is_named(folder: Path) -> None:
    assert problems(folder, THREDS="4") == ["GATEWAY_THREDS: no such setting; did you mean GATEWAY_THREADS"]
    assert problems(folder, QQQQQQQQ="4") == ["GATEWAY_QQQQQQQQ: no such setting"]


def test_names_of_the_tests_own_are_let_be(folder: Path) -> None:
    assert read(folder, TEST_FULL="1").profile == "test"


@pytest.mark.parametrize("profile", ["demo", "test"])
def test_profiles_with_sandbox_listen_on_loopback_only(folder: Path, profile: str) -> None:
    assert problems(folder, PROFILE=profile, LISTEN="0.0.0.0:80") == [
        "GATEWAY_LISTEN: the demo and test profiles listen on loopback only"
    ]
    assert read(folder, PROFILE="production", LISTEN="0.0.0.0:80").listen[0] == "0.0.0.0"


def test_a_stop_waits_longer_than_the_longest_call(folder: Path) -> None:
    (told,) = problems(folder, DRAIN_SECONDS="3")
    assert told.startswith("GATEWAY_DRAIN_SECONDS")
    assert read(folder, DRAIN_SECONDS="4").drain_seconds == 4


# -- the peers file -------------------------------------------------------------------------------------------------

GOOD = '[backends.FT_SBX]\nbase_url = "https://dept.test"\nnetworks = ["10.0.0.0/8"]\n'


@pytest.mark.parametrize("place", ["nothing.toml", "."])
def test_a_peers_file_that_is_not_there_is_told_with_what_to_do(folder: Path, place: str) -> None:
    (told,) = problems(folder, PEERS_FILE=str(folder / place))
    assert "gateway init" in told


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("x = = 3", "Invalid"),
        ("\xff", "utf-8"),
        ("[departments.X]", "unknown table [departments]"),
        ("backends = 4", "backends must be tables"),
        ("[backends]\nFT_SBX = 4", "backends.FT_SBX must be a table"),
        (GOOD + "deadlin = 3", "unknown key deadlin; did you mean deadline"),
        (GOOD + 'deadline = "3"', "deadline: write a number"),
        (GOOD + "deadline = 0", "deadline: write a number"),
        (GOOD + "deadline = true", "deadline: write a number"),
        (GOOD + "cap = 0", "cap: write a whole number"),
        (GOOD + "cap = 1.5", "cap: write a whole number"),
        (GOOD + "threads = 0", "threads: write a whole number"),
        (GOOD + "rate = -1", "rate: write a whole number"),
        (GOOD + "max_bytes = 0", "max_bytes: write a whole number"),
        (GOOD + 'secrets = "x"', "secrets: write a table"),
        (GOOD + "secrets = {hmac = 3}", "secrets: write a table"),
        (GOOD + 'values = ["x"]', "values: write a table"),
        (GOOD + 'tls_ca = ""', "tls_ca: write a text"),
        (GOOD.replace('["10.0.0.0/8"]', '"10.0.0.0/8"'), "networks: write a list"),
        (GOOD.replace("10.0.0.0/8", "10.0.0.1/8"), "networks: write a list"),
        ("[backends.FT_SBX]", "[backends.FT_SBX] has no base_url"),
        (GOOD.replace("https://dept.test", "dept.test"), "base_url: it must begin with https://"),
        (GOOD.replace("https://dept.test", "http://10.1.2.3"), "base_url: it must begin with https://"),
        (GOOD.replace("https://dept.test", "ftp://127.0.0.1"), "base_url: it must begin with https://"),
        ("[banks.ICBC]\nsigned_path_prefx = '/x'", "did you mean signed_path_prefix"),
        ("[banks.ICBC]\nsigned_path_prefix = 3", "signed_path_prefix: write a text"),
    ],
)
def test_a_mistake_in_the_peers_file_is_named_with_its_block(folder: Path, text: str, word: str) -> None:
    (folder / "peers.toml").write_bytes(text.encode("latin-1"))
    (told,) = problems(folder)
    assert word in told
    assert str(folder / "peers.toml") in told


def test_plain_http_is_for_loopback(folder: Path) -> None:
    for host in ("127.0.0.1:9", "[::1]:9", "localhost:9"):
        (folder / "peers.toml").write_text(GOOD.replace("https://dept.test", f"http://{host}"))
        assert read(folder).backends["FT_SBX"].text("base_url") == f"http://{host}"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (GOOD, "value app and the secret hmac"),
        (GOOD + '[backends.FT_SBX.values]\napp = "x"', "value app and the secret hmac"),
        (GOOD + '[backends.FT_SBX.secrets]\nhmac = "/nowhere/secret"', "cannot read /nowhere/secret"),
        (GOOD.replace("FT_SBX", "FT_NIX"), "no adapter of that code"),
    ],
)
def test_a_half_set_department_is_refused(folder: Path, text: str, word: str) -> None:
    (folder / "peers.toml").write_text(text)
    with pytest.raises(BadSettings, match=word):
        bootstrap.backends_of(read(folder), clock=SystemClock())


def test_a_secret_that_others_can_read_is_refused(folder: Path) -> None:
    (folder / "department.secret").chmod(0o644)
    with pytest.raises(BadSettings, match="open to others"):
        bootstrap.backends_of(read(folder), clock=SystemClock())


def test_a_sandbox_department_is_refused_in_production(folder: Path) -> None:
    with pytest.raises(BadSettings, match="sandbox and refused in the production profile"):
        bootstrap.backends_of(read(folder, PROFILE="production"), clock=SystemClock())


# -- papers ---------------------------------------------------------------------------------------------------------


def test_the_papers_drawn_from_the_code_are_up_to_date() -> None:
    assert generated_docs.out_of_date() == []


def test_the_paper_of_settings_names_every_key_of_the_peers_file() -> None:
    text = generated_docs.settings()
    keys = {*config._BACKEND_KEYS, *config._BANK_KEYS}
    assert {key for key in keys if key not in text} <= {"max_bytes"}
