"""Takes a picture file apart: what its pixels need, its size, its orientation, and what kind of file it is.

A PNG, JPEG or WebP file holds more than pixels: EXIF, XMP, colour profiles, text, previews. Pillow reads all of it when
it opens the file, and refuses the file where one of these parts is odd or large. Viewers show such a picture. So Pillow
gets the file without them, and the orientation is read here. What is left out costs nothing, whatever it says.
"""

from model_store.picture_files.formats import announced_size, take_apart
from model_store.picture_files.kinds import kind_of
from model_store.picture_files.metadata import PictureFile
from model_store.picture_files.tiff import tiff_without_metadata

__all__ = ["PictureFile", "announced_size", "kind_of", "take_apart", "tiff_without_metadata"]
