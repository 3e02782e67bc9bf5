"""Scans in files, and what is read of them."""

from pathlib import Path

import pytest

from skmm.containers import _files


def _write_dicom(path, pixels, *, syntax=None, **elements):
    """Write an array (rows, columns), or several with an axis in front, as a DICOM file."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid

    syntax = syntax or ExplicitVRLittleEndian
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    is_colour = pixels.shape[-1] == 3
    size = pixels.shape[-3:-1] if is_colour else pixels.shape[-2:]
    dataset.Rows, dataset.Columns = size
    dataset.SamplesPerPixel = 3 if is_colour else 1
    if is_colour:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = "RGB" if is_colour else "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for name, value in elements.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    if syntax == RLELossless:
        dataset.compress(syntax)
    dataset.file_meta.TransferSyntaxUID = syntax
    path.parent.mkdir(exist_ok=True, parents=True)
    dataset.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="session")
def write_dicom():
    """Return a function that writes DICOM files: ``write_dicom(path, pixels, **elements)``."""
    return _write_dicom


@pytest.fixture
def decoded(monkeypatch):
    """(file, frame) of the pixels that were read, in order."""
    seen = []

    def counting(reader):
        def counted(path, numbers):
            seen.extend((Path(path).name, int(number)) for number in numbers)
            return reader(path, numbers)

        return counted

    monkeypatch.setattr(
        _files, "READERS", {name: counting(reader) for name, reader in _files.READERS.items()}
    )
    return seen
