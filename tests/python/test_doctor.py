"""`deepsport doctor` on a machine as it is, and on a bare one."""

from __future__ import annotations

import json
from importlib import metadata

import pytest

from deepsport.cli import doctor
from deepsport.cli.main import main
from deepsport.device import CudaStatus, cuda_status


def test_doctor_says_in_json_what_the_core_itself_says(capsys):
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["cuda"]["decodes"] == cuda_status().decodes
    assert any(name.startswith("h264") for name in report["core"]["decoders"])
    assert {"cli", "train", "evaluate"} <= set(report["extras"])
    assert "all" not in report["extras"]


def test_doctor_gives_the_reason_for_what_is_missing(capsys, monkeypatch):
    absent = CudaStatus(False, False, False, 0, 0, "no kernels here", "no driver", "no nvdec")
    monkeypatch.setattr("deepsport.device.cuda_status", lambda: absent)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "decoded on the CPU: no kernels here" in out
    assert "FFmpeg" in out


def test_doctor_says_where_the_gpu_path_has_been_tried(capsys):
    main(["doctor"])
    out = capsys.readouterr().out
    if cuda_status().kernels:
        assert "has been run on an NVIDIA H100" in out
    else:
        pytest.skip("this build has no CUDA kernels: nothing is claimed of them")


def test_doctor_fails_when_a_need_is_not_met(capsys, monkeypatch):
    absent = CudaStatus(True, False, False, 0, 0, "", "no driver", "no driver")
    monkeypatch.setattr("deepsport.device.cuda_status", lambda: absent)
    assert main(["doctor", "--need", "cuda"]) == 1
    assert "cuda is needed" in capsys.readouterr().err


def test_doctor_names_the_valid_needs_when_one_is_unknown(capsys):
    assert main(["doctor", "--need", "warp"]) == 1
    assert "valid are cuda, " in capsys.readouterr().err


def test_an_extra_without_one_of_its_parts_says_which_and_how_to_get_it(capsys, monkeypatch):
    lines = ["numpy>=1.26", "absent-thing>=3; extra == 'train'", "pytest>=1; extra == 'report'",
             "pytest>=999; extra == 'cli'"]  # fmt: skip
    monkeypatch.setattr(metadata, "requires", lambda _: lines)
    main(["doctor"])
    out = capsys.readouterr().out
    assert (
        "train: not complete: absent-thing>=3 is not installed. pip install 'deepsport[train]'"
        in out
    )
    assert "report: installed" in out
    assert "cli: not complete: pytest>=999 is wanted" in out


def test_a_build_from_a_folder_has_no_extras_to_speak_of(monkeypatch):
    def absent(_):
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "requires", absent)
    assert doctor._extras() == {}


def test_doctor_says_which_addresses_open_and_what_the_others_need(capsys, monkeypatch):
    found = {"fsspec", "aiohttp"}
    monkeypatch.setattr(doctor, "find_spec", lambda name: name if name in found else None)
    main(["doctor"])
    out = capsys.readouterr().out
    assert "opens addresses: http://" in out
    assert "not s3://, which needs s3fs" in out
    found.clear()
    main(["doctor"])
    assert "opens addresses: none" in capsys.readouterr().out


def test_doctor_says_why_no_index_files_are_kept(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("DEEPSPORT_INDEX_CACHE", "off")
    main(["doctor"])
    assert "keeps no index files" in capsys.readouterr().out
    monkeypatch.setenv("DEEPSPORT_INDEX_CACHE", str(tmp_path / "kept"))
    main(["doctor"])
    assert f"keeps indexes of slow files in {tmp_path / 'kept'}" in capsys.readouterr().out
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DEEPSPORT_INDEX_CACHE", str(tmp_path / "file" / "kept"))
    main(["doctor"])
    assert f"{tmp_path / 'file'} cannot be written" in capsys.readouterr().out


def test_doctor_says_where_the_core_is_for_c_and_c_plus_plus(capsys, monkeypatch, tmp_path):
    import deepsport

    monkeypatch.setattr(deepsport, "__path__", [str(tmp_path / "deepsport")])
    assert doctor._embedding()["why_not"].startswith("an editable build")
    (tmp_path / "deepsport" / "lib").mkdir(parents=True)
    (tmp_path / "deepsport" / "lib" / "libdeepsport.so").write_text("")
    assert doctor._embedding() == {"prefix": str(tmp_path), "why_not": ""}
