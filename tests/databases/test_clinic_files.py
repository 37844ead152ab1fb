"""MUSE XML and DICOM waveforms: the values that were written, and the names of what is wrong with a file."""

import base64
import builtins
import re
import warnings
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
import pytest

import vaescan_lite as vl
from vaescan_lite.leads import LEADS_8, LEADS_12

FS, N = 500, 5000


@pytest.fixture(scope="module")
def eight():
    """Counts of the eight leads, as a recorder has them."""
    ecg = vl.simulate(pd.DataFrame({"LBBB": [1.0]}, index=["a"]), fs=FS)
    return np.round(vl.to_eight_leads(ecg).signals[0] * 1000 / 4.88).astype("<i2")


def muse_lead(name, counts, *, unit="MICROVOLTS", per_bit="4.88", size="2", n=None, off="FALSE", text=None):
    data = base64.encodebytes(counts.astype("<i2").tobytes()).decode() if text is None else text
    return (
        f"<LeadData><LeadByteCountTotal>{2 * len(counts)}</LeadByteCountTotal><LeadTimeOffset>0</LeadTimeOffset>"
        f"<LeadSampleCountTotal>{len(counts) if n is None else n}</LeadSampleCountTotal>"
        f"<LeadAmplitudeUnitsPerBit>{per_bit}</LeadAmplitudeUnitsPerBit><LeadAmplitudeUnits>{unit}</LeadAmplitudeUnits>"
        f"<LeadSampleSize>{size}</LeadSampleSize><LeadOff>{off}</LeadOff><LeadID>{escape(name)}</LeadID>"
        f"<WaveFormData>\n{data}</WaveFormData></LeadData>\n"
    )


def muse(waves, encoding="iso-8859-1"):
    """The bytes of a MUSE file; `waves` are pairs of type and what stands in it."""
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n<!DOCTYPE RestingECG SYSTEM "restecg.dtd">\n<RestingECG>'
    text += "<PatientDemographics><PatientLastName>Müller</PatientLastName></PatientDemographics>"
    text += "".join(f"<Waveform><WaveformType>{kind}</WaveformType>{inside}</Waveform>" for kind, inside in waves)
    return f"{text}</RestingECG>".encode(encoding)


def rate(base=FS, exponent=0):
    return f"<SampleBase>{base}</SampleBase><SampleExponent>{exponent}</SampleExponent>"


def leads_of(counts, names=LEADS_8, **options):
    return "".join(muse_lead(name, row, **options) for name, row in zip(names, counts))


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-8", "utf-16"])
@pytest.mark.parametrize("ending", [".xml", ".XML", ".ecg", ""])
def test_muse_gives_the_rhythm_strip_and_twelve_leads(eight, tmp_path, encoding, ending):
    path = tmp_path / f"MUSE_20200101{ending}"
    path.write_bytes(muse([("Median", rate() + leads_of(7 * eight[:, :600])), ("Rhythm", rate() + leads_of(eight))], encoding))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ecg = vl.read_record(path)
    mv = eight * 4.88e-3
    i, ii = mv[:2]
    twelve = np.array([i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2, *mv[2:]])
    assert (ecg.leads, ecg.fs, ecg.ids.tolist()) == (LEADS_12, 500.0, ["MUSE_20200101"])
    np.testing.assert_allclose(ecg.signals[0], twelve, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "factor"),
    [({"unit": "MILLIVOLTS", "per_bit": "0.00488"}, 1), ({"per_bit": "2.44"}, 0.5), ({"unit": "microvolts"}, 1)],
)
def test_muse_units_and_rate(eight, tmp_path, options, factor):
    path = tmp_path / "a.xml"
    path.write_bytes(muse([("Rhythm", rate(25, 1) + leads_of(eight, **options))]))
    ecg = vl.read_record(path)
    assert ecg.fs == 250.0
    np.testing.assert_allclose(ecg.signals[0, 0], eight[0] * 4.88e-3 * factor, atol=1e-5)


def test_muse_leads_beyond_the_twelve_are_left_out_and_stored_limb_leads_are_kept(eight, tmp_path):
    path = tmp_path / "a.xml"
    extra = muse_lead("V3R", eight[0]) + muse_lead("III", eight[1] - eight[0] + 1)
    path.write_bytes(muse([("Rhythm", rate() + extra + leads_of(eight))]))
    ecg = vl.read_record(path)
    np.testing.assert_allclose(ecg.signals[0, 2], (eight[1] - eight[0] + 1) * 4.88e-3, atol=1e-5)
    np.testing.assert_allclose(ecg.signals[0, 6], eight[2] * 4.88e-3, atol=1e-5)


def test_muse_electrodes_that_were_off_are_told(eight, tmp_path):
    path = tmp_path / "a.xml"
    path.write_bytes(muse([("Rhythm", rate() + leads_of(eight[:7]) + muse_lead("V6", 0 * eight[7], off="TRUE"))]))
    with pytest.warns(UserWarning, match=r"a\.xml: the recorder marked electrodes as off: V6"):
        vl.read_record(path)


BROKEN = {
    "cut off": (lambda e: muse([("Rhythm", rate() + leads_of(e))])[:-5000], "read as a MUSE XML file: (no element|un)"),
    "no rhythm": (lambda e: muse([("Median", rate() + leads_of(e))]), r"type Rhythm is wanted; found \['Median'\]"),
    "two rhythms": (lambda e: muse([("Rhythm", rate() + leads_of(e))] * 2), "one Waveform of type Rhythm"),
    "no rate": (lambda e: muse([("Rhythm", leads_of(e))]), "cannot be read as a MUSE"),
    "rate 0": (lambda e: muse([("Rhythm", rate(0) + leads_of(e))]), "found 0 Hz"),
    "no leads": (lambda e: muse([("Rhythm", rate())]), "leads equally long are wanted"),
    "one lead short": (
        lambda e: muse([("Rhythm", rate() + leads_of(e[:7]) + muse_lead("V6", e[7, :90]))]), "equally long .*'V6': 90",
    ),
    "fewer samples than said": (lambda e: muse([("Rhythm", rate() + leads_of(e, n=5001))]), "lead I should have 5001 samples"),
    "four bytes a sample": (lambda e: muse([("Rhythm", rate() + leads_of(e, size="4"))]), "samples of 2 bytes"),
    "not base64": (lambda e: muse([("Rhythm", rate() + leads_of(e, text="*" * 20))]), "cannot be read as a MUSE"),
    "no voltage": (lambda e: muse([("Rhythm", rate() + leads_of(e, unit="DEGREES"))]), "'DEGREES'; a voltage is wanted"),
    "no gain": (lambda e: muse([("Rhythm", rate() + leads_of(e, per_bit=""))]), "cannot be read as a MUSE"),
    "no V6": (lambda e: muse([("Rhythm", rate() + leads_of(e[:7]))]), r"lead\(s\) V6 are missing"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_muse_file_is_refused_with_file_and_cause(fault, eight, tmp_path):
    make, message = BROKEN[fault]
    path = tmp_path / "broken.xml"
    path.write_bytes(make(eight))
    with pytest.raises(ValueError, match=rf"broken\.xml.*{message}"):
        vl.read_record(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xml", b"<?xml version='1.0'?><AnnotatedECG/>", "is XML, and not of MUSE"),
        ("a.dcm", b"I,II\n1,2\n", "DICM at byte 128"),
    ],
)
def test_other_files_are_not_taken_for_clinic_files(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        vl.read_record(tmp_path / name, fs=500)


def test_the_rate_of_a_clinic_file_is_its_own(eight, tmp_path):
    (tmp_path / "a.xml").write_bytes(muse([("Rhythm", rate() + leads_of(eight))]))
    assert vl.read_record(tmp_path / "a.xml", fs=500).fs == 500
    with pytest.raises(ValueError, match=r"a\.xml: fs = 250 Hz was given, and the file states 500 Hz"):
        vl.read_record(tmp_path / "a.xml", fs=250)


def test_without_pydicom_the_line_that_installs_it_is_said(tmp_path, monkeypatch):
    path = tmp_path / "a.dcm"
    path.write_bytes(bytes(128) + b"DICM" + bytes(64))
    real_import = builtins.__import__

    def without(name, *arguments):
        if name.split(".")[0] == "pydicom":
            raise ImportError("No module named 'pydicom'")
        return real_import(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    message = re.escape("a.dcm is a DICOM file; reading it needs pydicom: pip install 'vaescan-lite[formats]'")
    with pytest.raises(ImportError, match=message) as caught:
        vl.read_record(path)
    assert isinstance(caught.value, ValueError)  # as for every other file that cannot be read


@pytest.fixture
def dicom():
    return pytest.importorskip("pydicom", reason="the extra [formats]")


NAMES = {
    "words": [f"Lead {lead}" for lead in LEADS_12],
    "Einthoven": ["Lead I (Einthoven)", *(f"Lead {lead}" for lead in LEADS_12[1:])],
    "ISO 11073": [f"{lead}, augmented voltage" if "a" in lead else f"Lead {lead}" for lead in LEADS_12],
}


def group_of(dicom, counts, names=NAMES["words"], *, fs=FS, sensitivity=1.25, unit="uV", originality="ORIGINAL", label=False):
    """A multiplex group: counts (n_leads, n_samples)."""
    from pydicom.dataset import Dataset

    group = Dataset()
    group.WaveformOriginality, group.SamplingFrequency = originality, fs
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = counts.shape
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.ChannelDefinitionSequence = []
    for name in names:
        channel, source, units = Dataset(), Dataset(), Dataset()
        source.CodeMeaning, units.CodeValue = "Electrode" if label else name, unit
        if label:
            channel.ChannelLabel = name
        channel.ChannelSourceSequence = [source]
        channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline = sensitivity, 1, 0
        if unit:
            channel.ChannelSensitivityUnitsSequence = [units]
        channel.WaveformBitsStored = 16
        group.ChannelDefinitionSequence.append(channel)
    group.add_new(0x54001010, "OW", counts.T.astype("<i2").tobytes())
    return group


def write_dicom(dicom, path, groups):
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = TwelveLeadECGWaveformStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(path, {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = TwelveLeadECGWaveformStorage, generate_uid(), "ECG"
    if groups is not None:
        dataset.WaveformSequence = groups
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def twelve(eight):
    return np.round(vl.to_twelve_leads(eight[np.newaxis].astype(np.float32))[0]).astype("<i2")


def test_the_sample_of_pydicom_equals_its_bytes(dicom):
    from pydicom.data import get_testdata_file

    path = get_testdata_file("waveform_ecg.dcm", download=False)
    ecg = vl.read_record(path)
    rhythm = dicom.dcmread(path).WaveformSequence[0]  # the second group holds median beats
    counts = np.frombuffer(rhythm.WaveformData, "<i2").reshape(10_000, 12).T
    assert (ecg.fs, ecg.leads, ecg.signals.shape) == (1000.0, LEADS_12, (1, 12, 10_000))
    np.testing.assert_allclose(ecg.signals[0], counts * 1.25e-3, atol=1e-6)
    assert vl.median_beats(ecg).usable.all()


@pytest.mark.filterwarnings("ignore:The value length")
@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize(("unit", "sensitivity"), [("uV", 4.88), ("mV", 0.00488)])
@pytest.mark.parametrize("label", [False, True])
def test_dicom_gives_what_was_written(dicom, twelve, tmp_path, names, unit, sensitivity, label):
    order = np.random.default_rng(0).permutation(12)
    options = {"unit": unit, "sensitivity": sensitivity, "label": label}
    group = group_of(dicom, twelve[order], [NAMES[names][row] for row in order], **options)
    median = group_of(dicom, 9 * twelve[:, :600], originality="DERIVED")
    ecg = vl.read_record(write_dicom(dicom, tmp_path / "IM0001", [median, group]))
    np.testing.assert_allclose(ecg.signals[0], twelve * 4.88e-3, atol=1e-5)
    assert (ecg.fs, ecg.ids.tolist()) == (500.0, ["IM0001"])


def test_a_dicom_baseline_counts_and_padding_is_no_signal(dicom, twelve, tmp_path):
    group = group_of(dicom, twelve)
    for channel in group.ChannelDefinitionSequence:
        channel.ChannelBaseline = 100
    ecg = vl.read_record(write_dicom(dicom, tmp_path / "a.dcm", [group]))
    np.testing.assert_allclose(ecg.signals[0], twelve * 1.25e-3 + 0.1, atol=1e-5)
    padded = twelve.copy()
    padded[7, -20:] = -32768
    group = group_of(dicom, padded)
    group.add_new(0x5400100A, "OW", np.array(-32768, "<i2").tobytes())
    with pytest.raises(ValueError, match=r"a\.dcm: samples that are NaN.*V2 \(20\)"):
        vl.read_record(write_dicom(dicom, tmp_path / "a.dcm", [group]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda dicom, twelve: None, "holds no recorded waveform; its modality is ECG"),
        (lambda dicom, twelve: [group_of(dicom, twelve, originality="DERIVED")], "holds no recorded waveform"),
        (lambda dicom, twelve: [group_of(dicom, twelve, unit="mmHg")], "lead I is in 'mmHg'; a voltage is wanted"),
        (lambda dicom, twelve: [group_of(dicom, twelve, unit="")], "cannot be read as a DICOM waveform"),
        (lambda dicom, twelve: [group_of(dicom, twelve[:3], NAMES["words"][:3])], "V1, V2, V3, V4, V5, V6 are missing"),
        (lambda dicom, twelve: [group_of(dicom, twelve, ["Pressure"] * 12)], "are missing"),
        (lambda dicom, twelve: [group_of(dicom, twelve, fs=0)], r"broken\.dcm.*found 0 Hz"),
    ],
)
def test_a_broken_dicom_file_is_refused_with_cause(change, message, dicom, twelve, tmp_path):
    path = write_dicom(dicom, tmp_path / "broken.dcm", change(dicom, twelve))
    with pytest.raises(ValueError, match=message):
        vl.read_record(path)


@pytest.mark.parametrize("keep", [140, 400, 3000, 60_000])
def test_a_dicom_file_that_is_cut_off_is_refused(keep, dicom, twelve, tmp_path):
    path = write_dicom(dicom, tmp_path / "cut.dcm", [group_of(dicom, twelve)])
    path.write_bytes(path.read_bytes()[:keep])
    with warnings.catch_warnings(), pytest.raises(ValueError, match=r"cut\.dcm"):
        warnings.simplefilter("ignore")
        vl.read_record(path)
