"""The command as a process: exit codes, pipes, signals, imports, training, serving, the doctor."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from model_store import ModelStore
from tests.latent.conftest import Latent, command, environment, run_process


def test_version_and_help(latent: Latent) -> None:
    assert latent("--version").out == "latent 0.1.0\n"
    for arguments in ([], ["--help"], ["-h"]):
        helped = latent(*arguments)
        assert helped.code == 0
        for name in ("train", "recipes", "models", "serve", "encode", "manifold", "doctor", "--install-completion"):
            assert name in helped.out
    assert "promote" in latent("models").out


@pytest.mark.parametrize(
    "name",
    ["recipes", "train", "serve", "doctor", "encode", "decode", "reconstruct", "interpolate", "sample", "manifold"]
    + [f"models {name}" for name in ("list", "show", "verify", "promote", "rollback", "diff", "rm", "gc")],
)
def test_every_option_is_explained(name: str) -> None:
    import typer

    from latent.application import app

    group = typer.main.get_command(app)
    for part in name.split():
        group = group.commands[part]  # type: ignore[attr-defined]  # a group, but for the last
    assert group.help
    for parameter in group.params:
        assert getattr(parameter, "help", None), parameter.name


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    wrong = run_process("sample", "nope", "--store", "nowhere", cwd=tmp_path)
    assert wrong.complaint == "unknown model 'nope' (the store is empty)"
    assert wrong.out == ""
    assert list(tmp_path.iterdir()) == []


def test_the_traceback_is_there_for_who_asks(tmp_path: Path) -> None:
    asked = run_process("models", "show", "nope", "--traceback", cwd=tmp_path)
    assert asked.code == 1
    assert "Traceback" in asked.err


def test_nothing_heavy_is_imported_to_say_hello(tmp_path: Path) -> None:
    code = (
        "import sys; from latent.cli import run; run(['models', 'list']);"
        "print([n for n in ('tensorflow', 'keras', 'openvino', 'fastapi', 'httpx', 'matplotlib') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_broken_pipe_is_quiet(affine_store: ModelStore, tmp_path: Path) -> None:
    writing = subprocess.Popen(
        command("sample", "image", "-n", "20000", "--store", affine_store.path),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert writing.stdout is not None
    assert writing.stderr is not None
    with writing.stdout, writing.stderr:
        assert writing.stdout.read(8) == b'{"seed":'
        writing.stdout.close()
        assert writing.stderr.read() == b""
    assert writing.wait() == 0


def test_ctrl_c_is_quiet(tmp_path: Path) -> None:
    """While a server that never answers is waited for."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        waiting = subprocess.Popen(
            command("sample", "image", "--url", f"http://127.0.0.1:{port}"),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(4) == b"POST"
            while psutil.Process(waiting.pid).status() != psutil.STATUS_SLEEPING:
                pass  # a signal between sending and listening is noticed when listening ends, a minute later
            waiting.send_signal(signal.SIGINT)
            assert waiting.communicate() == (b"", b"")
    assert waiting.returncode == 130


def test_serve_refuses_a_port_in_use(affine_store: ModelStore, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run_process("serve", "--port", port, "--store", affine_store.path, cwd=tmp_path)
    assert refused.complaint.startswith(f"cannot listen on 127.0.0.1:{port} (")


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("LATENT_PORT", "http", "LATENT_PORT: "),
        ("LATENT_ENGINE", "onnx", "LATENT_ENGINE: "),
        ("LATENT_TIMEOUT_S", "-1", "LATENT_TIMEOUT_S: "),
    ],
)
def test_serve_names_the_variable_that_is_wrong(
    latent: Latent, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(variable, value)
    refused = latent("serve").complaint
    assert refused.startswith(complaint)
    assert refused.endswith(f"got {value!r}")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("LATENT_DEFAULT_MODEL", "Bad Name", "LATENT_DEFAULT_MODEL: 'Bad Name' is no model name"),
        ("LATENT_MODEL", "mnist vae", "LATENT_MODEL: 'mnist vae' is no model name"),
        ("LATENT_TIMEOUT_S", "1e300", "LATENT_TIMEOUT_S: input should be less than or equal to 86400"),
        ("LATENT_ENGINE_THREADS", "1000000000", "LATENT_ENGINE_THREADS: input should be less than"),
        ("LATENT_WATCH_S", "nan", "LATENT_WATCH_S: input should be a finite number"),
        ("LATENT_HOST", "no-such-host.invalid", "cannot listen on no-such-host.invalid:"),
        ("LATENT_HOST", "192.0.2.1", "cannot listen on 192.0.2.1:"),
        ("LATENT_STORE", "file", "the store file is no directory"),
        ("LATENT_ADMIN_KEY", "a\nb", "LATENT_ADMIN_KEY: no header can hold it"),
    ],
)
def test_serve_refuses_in_one_line_before_anything_is_started(
    latent: Latent, monkeypatch: pytest.MonkeyPatch, workers: int, variable: str, value: str, complaint: str
) -> None:
    Path("file").touch()
    monkeypatch.setenv(variable, value)
    assert latent("serve", "--port", "0", "--workers", workers).complaint.startswith(complaint)


def test_several_bad_settings_are_one_line(latent: Latent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENT_PORT", "x" * 1000)
    monkeypatch.setenv("LATENT_LOAD", "never")
    complaint = latent("serve").complaint
    assert "LATENT_PORT: " in complaint
    assert "LATENT_LOAD: " in complaint
    assert len(complaint) < 400


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--store", ""],
        ["serve", "--store="],
        ["serve", "--host", " "],
        ["serve", "--port", ""],
        ["models", "list", "--store", ""],
        ["train", "mnist-vae", "--name", ""],
        ["sample", "image", "-o", ""],
    ],
)
def test_an_option_may_not_be_empty(latent: Latent, arguments: list[str]) -> None:
    option = next(argument for argument in arguments if argument.startswith("-")).removesuffix("=")
    assert latent(*arguments).complaint == f"{option} has an empty value: give one, or leave {option} out"


def test_an_empty_variable_is_an_unset_one(latent: Latent, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("LATENT_STORE", "LATENT_DATA_DIR"):
        monkeypatch.setenv(name, " ")
    assert "store" in latent("models", "list").out
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_place_of_the_port_stops_no_other_command(
    latent: Latent, monkeypatch: pytest.MonkeyPatch, affine_store: ModelStore
) -> None:
    monkeypatch.setenv("LATENT_PORT", "tcp://10.96.0.12:8000")
    assert latent("sample", "image", "--seed", 1, "--store", affine_store.path).code == 0


def test_serve_knows_its_model_first(latent: Latent, affine_store: ModelStore) -> None:
    refused = latent("serve", "--model", "imag", "--store", affine_store.path).complaint
    assert refused == "unknown model 'imag'; did you mean image?"
    assert "invalid value for '--port'" in latent("serve", "--port", "99999").complaint


def test_doctor(latent: Latent, fresh_store: ModelStore) -> None:
    report = latent("doctor", "--json", "--store", fresh_store.path).document
    assert [(engine["name"], engine["works"], engine["tried"]) for engine in report["engines"]] == [
        ("openvino", True, "conditional@1"),
        ("tensorflow", True, "conditional@1"),
    ]
    assert report["cpus"] >= 1
    assert report["store"]["checked"] == 12
    assert report["store"]["damaged"] == []
    assert "not there yet" in latent("doctor", "--store", "nowhere").out
    (fresh_store.directory("rgb", 1) / "prior.npz").unlink()
    damaged = latent("doctor", "--store", fresh_store.path)
    assert damaged.complaint.startswith("1 of 12 damaged in ")
    assert "prior.npz is missing" in damaged.complaint


def test_recipes(latent: Latent) -> None:
    recipes = {recipe["recipe"]: recipe for recipe in latent("recipes", "--json").document["recipes"]}
    assert recipes["mnist-vae"]["code"] == "16 gaussian"
    assert recipes["sine-linear-ae"]["settings"]["model"]["builder"] == "linear"
    assert "mnist-vae-mlp" in latent("recipes").out


def test_train_publishes_and_says_what_comes_next(tmp_path: Path) -> None:
    trained = run_process(
        "train", "sine-linear-ae", "--epochs", "1", "--name", "line", "--set", "training.min_epoch_steps=5",
        cwd=tmp_path,
    )  # fmt: skip
    assert trained.code == 0, trained.err
    assert trained.out.splitlines()[-1] == "Next: latent serve"
    assert "line@1 is in store/line/1" in trained.out
    assert "Traceback" not in trained.err
    store = ModelStore(tmp_path / "store")
    assert sorted(store.manifest("line", 1).engines) == ["openvino", "tensorflow"]
    assert [finding for finding in store.verify() if finding.error] == []
    again = run_process(
        "train", "sine-linear-ae", "--epochs", "1", "--set", "training.min_epoch_steps=5", "--json", "--store", "other",
        cwd=tmp_path,
    )  # fmt: skip
    document = json.loads(again.out)
    assert (document["name"], document["version"]) == ("sine-linear-ae", 1)
    assert document["directory"] == "other/sine-linear-ae/1"
    assert document["metrics"]["mse"]["model"] > 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["mnist-vea"], "unknown recipe 'mnist-vea'; did you mean mnist-vae"),
        (["mnist-vae", "--set", "latent.dims=8"], "unknown setting 'latent.dims'; did you mean latent.dim?"),
        (["mnist-vae", "--set", "latent.dim"], "--set takes KEY=VALUE, such as latent.dim=8, not 'latent.dim'"),
        (["mnist-vae", "--set", "latent.dim=0"], "latent.dim"),
        (["mnist-vae", "--epochs", "none"], "invalid value for '--epochs'"),
        (["mnist-vae", "--data", "nowhere"], "nowhere"),
        (["mnist-vae", "--data", "empty"], "empty"),
        (["sine-linear-ae", "--data", "bad.csv"], "bad.csv, row 3, column 'b'"),
        (["mnist-vae", "--name", "No Name"], "'No Name' is no model name"),
        (["mnist-vae", "--store", "file/store"], "cannot be written"),
        (["sine-linear-ae", "--resume"], "there is no interrupted run"),
    ],
)
def test_training_that_is_refused(latent: Latent, tmp_path: Path, arguments: list[str], complaint: str) -> None:
    Path("empty").mkdir()
    Path("file").write_text("")
    Path("bad.csv").write_text("a,b\n1,2\n3,x\n")
    before = sorted(tmp_path.rglob("*"))
    assert complaint in latent("train", *arguments).complaint
    assert sorted(tmp_path.rglob("*")) == before
