"""The stack's pure parts (peers file, environment, numbers) and its children; nothing of the product is started."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from gateway import config as product
from tools.stack import Stack, config
from tools.stack.asking import number
from tools.stack.child import Child, NotUp
from tools.stack.ports import ReservedPort, listening

METRICS = """\
# TYPE gateway_calls_total counter
gateway_calls_total{lane="FT_SBX",outcome="sending"} 3.0
gateway_calls_total{lane="FT_SBX",outcome="NotDelivered"} 2.0
gateway_calls_total_other{lane="FT_SBX",outcome="NotDelivered"} 7.0
gateway_trail_order_wait_seconds 0.25
"""


def _environment(folder: Path, **more: str) -> dict[str, str]:
    return config.environment(
        {"PATH": "/usr/bin", "GATEWAY_LISTEN": "0.0.0.0:80", "GATEWAY_STRAY": "x"},
        profile="demo",
        database_url="sqlite:////tmp/a.db",
        keys_dir=folder / "keys",
        peers_file=folder / "peers.toml",
        blobs_dir=folder / "blobs",
        port=4711,
        drain_seconds=8,
        more=more,
    )


def _child(folder: Path, *command: str) -> Child:
    return Child("child", command, environment=dict(os.environ), cwd=folder, log=folder / "child.log")


def test_the_peers_file_is_toml_that_names_the_secret_as_a_file() -> None:
    text = config.department_toml(
        "FT_SBX", "http://127.0.0.1:9", Path('/tmp/odd "folder"/\\s'), deadline=2, cap=3, rate=4, threads=5
    )
    block = tomllib.loads(text)["backends"]["FT_SBX"]
    assert block["secrets"] == {"hmac": '/tmp/odd "folder"/\\s'}
    assert (block["base_url"], block["deadline"]) == ("http://127.0.0.1:9", 2.0)
    assert (block["cap"], block["rate"], block["threads"]) == (3, 4, 5)
    assert block["networks"] == ["127.0.0.0/8"]


def test_the_environment_holds_our_settings_and_none_that_were_lying_about(tmp_path: Path) -> None:
    found = _environment(tmp_path)
    assert found["PATH"] == "/usr/bin"
    assert found["GATEWAY_LISTEN"] == "127.0.0.1:4711"
    assert "GATEWAY_STRAY" not in found


def test_settings_given_on_top_win(tmp_path: Path) -> None:
    assert _environment(tmp_path, THREADS="4", PROFILE="test")["GATEWAY_PROFILE"] == "test"
    assert _environment(tmp_path, THREADS="4")["GATEWAY_THREADS"] == "4"


def test_the_product_accepts_what_the_stack_writes(tmp_path: Path) -> None:
    text = config.department_toml("FT_SBX", "http://127.0.0.1:9", tmp_path / "secret", deadline=2.5)
    (tmp_path / "peers.toml").write_text(text, "utf-8")
    settings = product.from_environment(_environment(tmp_path, LOG_LEVEL="debug"))
    assert settings.listen == ("127.0.0.1", 4711)
    assert settings.backends["FT_SBX"].values["deadline"] == 2.5
    assert settings.sandbox


def test_the_lines_for_a_shell_set_the_same_settings(tmp_path: Path) -> None:
    lines = config.shell_lines(_environment(tmp_path, LOG_ID="a 'b' $c"))
    said = subprocess.run(
        ["sh", "-c", f'{lines}printf %s "$GATEWAY_LOG_ID"'], capture_output=True, text=True, check=True
    )
    assert said.stdout == "a 'b' $c"
    assert all(line.startswith("export GATEWAY_") for line in lines.splitlines())
    assert "PATH" not in shlex.split(lines)


@pytest.mark.parametrize("deadline", [0.5, 3.0, 20.0])
def test_a_stop_waits_longer_than_the_longest_call(deadline: float) -> None:
    assert config.drain_seconds(deadline) > deadline


def test_a_number_is_summed_over_the_labels_that_are_not_asked_for() -> None:
    assert number(METRICS, "gateway_calls_total", {"lane": "FT_SBX"}) == 5
    assert number(METRICS, "gateway_calls_total", {"outcome": "NotDelivered"}) == 2
    assert number(METRICS, "gateway_trail_order_wait_seconds", {}) == 0.25
    assert number(METRICS, "gateway_nothing", {}) == 0


def test_a_reserved_port_is_silent_until_a_server_of_ours_listens_on_it() -> None:
    reserved = ReservedPort()
    assert not listening(reserved.number)
    with socket.create_server(("127.0.0.1", reserved.number)):
        assert listening(reserved.number)
    reserved.release()


def test_workers_beside_an_embedded_gateway_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="embedded=False"):
        Stack(tmp_path / "new", workers=1)


def test_a_child_that_ends_early_is_named_with_its_last_words(tmp_path: Path) -> None:
    child = _child(tmp_path, sys.executable, "-c", "print('no such key'); raise SystemExit(3)")
    child.start()
    with pytest.raises(NotUp, match=r"code 3(.|\n)*no such key"):
        child.wait_until(lambda: False, within=20)
    assert child.stop(within=1) == 3


def test_output_of_an_earlier_start_does_not_count_as_said(tmp_path: Path) -> None:
    (tmp_path / "child.log").write_text("worker.started\n")
    child = _child(tmp_path, "sleep", "60")
    child.start()
    assert not child.said("worker.started")
    child.kill9()
    assert not child.alive


def test_a_kill_takes_the_childs_own_children_too(tmp_path: Path) -> None:
    child = _child(tmp_path, "sh", "-c", "sleep 60 & echo $!; wait")
    child.start()
    child.wait_until(lambda: child.last_lines().strip().isdigit(), within=20)
    grandchild = int(child.last_lines())
    child.kill9()
    end = time.monotonic() + 20
    while _runs(grandchild):  # the signal was sent to it too; a loaded machine lets it die a moment later
        assert time.monotonic() < end, "it outlived its parent"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def test_a_frozen_child_can_still_be_stopped(tmp_path: Path) -> None:
    child = _child(tmp_path, "sleep", "60")
    child.start()
    child.freeze()
    assert child.alive
    assert child.stop(within=20) == -signal.SIGTERM
