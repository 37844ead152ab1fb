"""ECGs on disk: PTB-XL, Challenge-style WFDB folders, LUDB, single files."""

from .database import Database, open_database
from .ptbxl_download import download_ptbxl
from .records import read_record

__all__ = ["Database", "download_ptbxl", "open_database", "read_record"]
