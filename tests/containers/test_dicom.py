"""DICOM as bags of slices: in the order of space, values scaled, what is no image named."""

import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLosslessSV1, RLELossless

from skmm.containers import read_series

RNG = np.random.default_rng(0)
AXIAL = [1, 0, 0, 0, 1, 0]


def slices(n_slices, size=(4, 5), dtype=np.uint16):
    """A stack whose slice k is full of values around 100 k."""
    stack = RNG.integers(0, 90, size=(n_slices, *size)) + 100 * np.arange(n_slices)[:, None, None]
    return stack.astype(dtype)


def read(path):
    """The one series at a path, as lazy BagArray."""
    table = pd.DataFrame({"study": ["ann"], "description": ["T1"], "path": [path]})
    return read_series(table, sample="study", modality="description", path="path")["T1"][1]


def bag(path):
    """The slices of the one series at a path, read."""
    return read(path)[0]


# --- order ---------------------------------------------------------------------------------------


def test_slices_lie_along_the_normal_whatever_their_names(tmp_path, decoded, write_dicom):
    """Position decides, not names or instance numbers; only headers are read until slices are asked for."""
    stack = slices(4)
    for k, (name, instance) in enumerate([("d", 2), ("a", 1), ("c", 4), ("b", 3)]):
        write_dicom(
            tmp_path / "mri" / f"{name}.dcm",
            stack[k],
            ImagePositionPatient=[5.0, 6.0, 3.0 * k - 7],
            ImageOrientationPatient=AXIAL,
            InstanceNumber=instance,
            SliceLocation=-float(k),
        )
    bags = read(tmp_path / "mri")

    assert (bags.lengths.tolist(), bags.instance_shape, bags.dtype) == ([4], (4, 5), np.uint16)
    assert decoded == []

    np.testing.assert_array_equal(bags.values[[3, 1]], stack[[3, 1]])
    assert decoded == [("a.dcm", -1), ("b.dcm", -1)]


def test_sagittal_and_tilted_slices(tmp_path, write_dicom):
    """The normal is that of the slices: across the patient for sagittal ones, also where they tilt."""
    stack = slices(3)
    sagittal = [0, 1, 0, 0, 0, -1]  # normal along -x
    for k in range(3):
        write_dicom(
            tmp_path / f"{k}.dcm",
            stack[k],
            ImagePositionPatient=[10.0 * k, 50.0 * k, 0.0],
            ImageOrientationPatient=sagittal if k else [0.0, 0.98, 0.199, 0.0, 0.199, -0.98],
        )

    np.testing.assert_array_equal(bag(tmp_path), stack[::-1])


@pytest.mark.parametrize(
    "elements",
    [
        lambda k: {"SliceLocation": 2.5 * k, "InstanceNumber": 9 - k},
        lambda k: {"InstanceNumber": 3 * k, "ImagePositionPatient": [0, 0, -k]},
        lambda k: {},
        lambda k: {
            "InstanceNumber": k,
            "ImagePositionPatient": [0, 0, -k],
            "ImageOrientationPatient": [AXIAL, [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1]][k % 3],
        },
        lambda k: {
            "InstanceNumber": k,
            "ImagePositionPatient": [0, 0, k // 6],
            "ImageOrientationPatient": AXIAL,
        },
    ],
    ids=["location", "instance", "name", "three planes", "two moments"],
)
def test_order_without_positions(elements, tmp_path, write_dicom):
    """Slice location, instance number, and names with numbers by value follow where positions do not tell."""
    stack = slices(12)
    for k in range(12):
        write_dicom(tmp_path / f"im{k}", stack[k], **elements(k))

    np.testing.assert_array_equal(bag(tmp_path), stack)


def test_names_do_not_count_where_headers_tell(tmp_path, write_dicom):
    """Slices written last first come out first first."""
    stack = slices(3)
    for k in range(3):
        write_dicom(tmp_path / f"{9 - k}.dcm", stack[k], InstanceNumber=k)

    np.testing.assert_array_equal(bag(tmp_path), stack)


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16])
def test_values_without_scale_are_those_stored(dtype, tmp_path, write_dicom):
    """A slope of 1 and an intercept of 0 leave whole numbers, signed ones too; nothing is clipped."""
    pixels = (slices(1, dtype=np.int64)[0] * (1 if dtype == np.uint8 else 300)).astype(dtype)
    write_dicom(tmp_path / "a.dcm", pixels, RescaleSlope=1, RescaleIntercept=0)

    result = bag(tmp_path / "a.dcm")
    assert result.dtype == dtype
    np.testing.assert_array_equal(result[0], pixels)


def test_slope_and_intercept_are_applied(tmp_path, write_dicom):
    """Scaled values are float32, each slice by its own scale; a modality has one data type."""
    pixels = slices(2)
    write_dicom(tmp_path / "0.dcm", pixels[0], RescaleSlope=0.5, RescaleIntercept=-1024)
    write_dicom(tmp_path / "1.dcm", pixels[1])

    result = bag(tmp_path)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, np.stack([pixels[0] * 0.5 - 1024, pixels[1]]))


@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_monochrome1_is_inverted(dtype, tmp_path, write_dicom):
    """Where the lowest value is white, values are turned within the bits that are stored."""
    pixels = slices(1, dtype=dtype)[0]
    write_dicom(
        tmp_path / "a.dcm", pixels, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11
    )
    expected = 4095 - pixels if dtype == np.uint16 else -1 - pixels

    np.testing.assert_array_equal(bag(tmp_path / "a.dcm")[0], expected)


def test_colour(tmp_path, write_dicom):
    """Colour is channels last."""
    pixels = RNG.integers(0, 255, size=(4, 5, 3), dtype=np.uint8)
    write_dicom(tmp_path / "a.dcm", pixels)

    np.testing.assert_array_equal(bag(tmp_path / "a.dcm")[0], pixels)


def _functional_group(k):
    """Where a frame lies and how it is scaled."""
    group, position, scale = Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = [0, 0, -2 * k]
    scale.RescaleSlope, scale.RescaleIntercept = 2, k
    group.PlanePositionSequence, group.PixelValueTransformationSequence = [position], [scale]
    return group


def test_multi_frame_files(tmp_path, decoded, write_dicom):
    """Frames are ordered and scaled by what the file says of each, and read one by one."""
    stack = slices(3)
    shared, orientation = Dataset(), Dataset()
    orientation.ImageOrientationPatient = AXIAL
    shared.PlaneOrientationSequence = [orientation]
    write_dicom(
        tmp_path / "a.dcm",
        stack,
        NumberOfFrames=3,
        PerFrameFunctionalGroupsSequence=[_functional_group(k) for k in range(3)],
        SharedFunctionalGroupsSequence=[shared],
    )
    write_dicom(tmp_path / "b.dcm", stack, NumberOfFrames=3)

    bags = read(tmp_path / "a.dcm")
    np.testing.assert_array_equal(bags.values[[0]], stack[[2]] * 2.0 + 2)
    assert decoded == [("a.dcm", 2)]
    np.testing.assert_array_equal(bags.values[:], [stack[k] * 2.0 + k for k in (2, 1, 0)])
    np.testing.assert_array_equal(bag(tmp_path / "b.dcm"), stack)


def test_compressed_files(tmp_path, write_dicom):
    """What can be decoded is; what cannot says so when the header is read, with path and packages."""
    pixels = slices(1)[0]
    write_dicom(tmp_path / "a.dcm", pixels, syntax=RLELossless)
    np.testing.assert_array_equal(bag(tmp_path / "a.dcm")[0], pixels)

    write_dicom(tmp_path / "b.dcm", pixels)
    header = pydicom.dcmread(tmp_path / "b.dcm")
    header.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    header.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
    header.save_as(tmp_path / "b.dcm")
    with pytest.raises(
        ValueError, match=r"b\.dcm' cannot be used: no decoder of its transfer syntax \(JPEG Loss"
    ):
        read(tmp_path / "b.dcm")


def test_dicom_that_is_no_image(tmp_path, write_dicom):
    """Structured reports, palettes and lookup tables are named instead of misread."""
    write_dicom(tmp_path / "a.dcm", slices(1)[0], Rows=None)
    with pytest.raises(ValueError, match="it holds no image"):
        read(tmp_path / "a.dcm")
    write_dicom(tmp_path / "b.dcm", slices(1)[0], PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(ValueError, match="its values stand for the colours of a palette"):
        read(tmp_path / "b.dcm")
