"""What clinics export: MUSE XML (``RestingECG``) by the standard library, DICOM waveforms by pydicom. Checks: `records`."""

import base64
import warnings
from xml.etree import ElementTree

import numpy as np

from ..leads import LEADS_8, LEADS_12, lead_name, mv_per_unit, twelve_rows


class MissingExtraError(ImportError, ValueError):
    """A file that an optional extra would read: an error of the installation, and of the input like other unreadable files."""


def clinic_reader(path):
    """Return the function that reads a file of a clinic, going by what it holds and not by its name; None for other files."""
    with open(path, "rb") as file:
        start = file.read(4096)
    if start[128:132] == b"DICM":
        return _read_dicom
    return _read_muse if b"<RestingECG" in start.replace(b"\0", b"") else None  # in UTF-16 every other byte is 0


def _read_muse(path):
    """Read the rhythm strip, not the median beat: float32 in mV, its rate in Hz, and its leads, made twelve of MUSE's eight."""
    try:
        waves = ElementTree.parse(path).findall("Waveform")
        types = [wave.findtext("WaveformType", "").strip() for wave in waves]
        if types.count("Rhythm") != 1:
            raise ValueError(f"one Waveform of type Rhythm is wanted; found {types}")
        rhythm = waves[types.index("Rhythm")]
        fs = float(rhythm.findtext("SampleBase")) * 10.0 ** int(rhythm.findtext("SampleExponent", "0"))
        signals = {lead_name(lead.findtext("LeadID", "")): _muse_lead(lead) for lead in rhythm.findall("LeadData")}
        if not 0 < fs < np.inf or len({signal.size for signal in signals.values()}) != 1:
            sizes = {lead: signal.size for lead, signal in signals.items()}
            raise ValueError(f"a sampling rate and leads equally long are wanted; found {fs:g} Hz and {sizes}")
    except (ElementTree.ParseError, ValueError, TypeError, LookupError) as error:  # TypeError: a number is not there
        raise ValueError(f"{path} cannot be read as a MUSE XML file: {error}.") from error
    off = [lead.findtext("LeadID") for lead in rhythm.findall("LeadData") if lead.findtext("LeadOff", "").upper() == "TRUE"]
    if off:
        warnings.warn(f"{path}: the recorder marked electrodes as off: {', '.join(off)}.", stacklevel=3)
    leads, signals = tuple(signals), np.array(list(signals.values()), dtype=np.float32)
    return (twelve_rows(signals, leads, path), fs, LEADS_12) if set(leads) >= set(LEADS_8) else (signals, fs, leads)


def _muse_lead(lead):
    name, size, n_samples = (lead.findtext(tag) for tag in ("LeadID", "LeadSampleSize", "LeadSampleCountTotal"))
    counts = base64.b64decode("".join(lead.findtext("WaveFormData", "").split()), validate=True)
    if size not in (None, "2") or len(counts) != 2 * int(n_samples):
        raise ValueError(f"lead {name} should have {n_samples} samples of 2 bytes; it has {len(counts)} bytes")
    unit = mv_per_unit(lead.findtext("LeadAmplitudeUnits", "MICROVOLTS"), name, "LeadAmplitudeUnits")
    return np.frombuffer(counts, "<i2") * (float(lead.findtext("LeadAmplitudeUnitsPerBit")) * unit)


def _read_dicom(path):
    """Read the recorded group with most leads, not one derived from it: float32 in mV, its rate in Hz and its leads."""
    try:
        from pydicom import dcmread
        from pydicom.waveforms import multiplex_array
    except ImportError as error:
        advice = "pip install 'vaescan-lite[formats]'"
        raise MissingExtraError(f"{path} is a DICOM file; reading it needs pydicom: {advice}") from error
    try:
        dataset = dcmread(path)
        groups = list(dataset.get("WaveformSequence", []))
        names = [[_dicom_lead(channel) for channel in group.ChannelDefinitionSequence] for group in groups]
        recorded = [i for i, group in enumerate(groups) if group.get("WaveformOriginality") != "DERIVED"]
        if not recorded:
            raise ValueError(f"it holds no recorded waveform; its modality is {dataset.get('Modality')}")
        group = max(recorded, key=lambda i: (len(set(names[i]) & set(LEADS_12)), groups[i].NumberOfWaveformSamples))
        raw, signals = (multiplex_array(dataset, group, as_raw=as_raw).T for as_raw in (True, False))
        for lead, channel, signal in zip(names[group], groups[group].ChannelDefinitionSequence, signals):
            if lead in LEADS_12:
                signal *= mv_per_unit(channel.ChannelSensitivityUnitsSequence[0].CodeValue, lead, "ChannelSensitivityUnits")
        padding = groups[group].get("WaveformPaddingValue")
        if padding is not None:  # stands where nothing was recorded
            signals[raw == (np.frombuffer(padding, raw.dtype)[0] if isinstance(padding, bytes) else padding)] = np.nan
        if not 0 < (fs := float(groups[group].SamplingFrequency)) < np.inf:
            raise ValueError(f"the sampling frequency must be above 0; found {fs:g} Hz")
        return signals.astype(np.float32), fs, tuple(names[group])
    except Exception as error:  # pydicom raises many kinds for a broken file
        raise ValueError(f"{path} cannot be read as a DICOM waveform: {error}.") from error


def _dicom_lead(channel):
    """Name of a channel: its label, or the words of its code, such as "Lead I (Einthoven)" or "aVR, augmented voltage"."""
    source = channel.get("ChannelSourceSequence")
    texts = str(channel.get("ChannelLabel", "")), str(source[0].get("CodeMeaning", "")) if source else ""
    names = [lead_name(text.split(",")[0]) for text in texts]
    return next((name for name in names if name in LEADS_12), names[0] or names[1])
