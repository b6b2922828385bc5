"""The licences under which a campaign may publish its numbers.

Source of the identifiers: SPDX (https://spdx.org/licenses/).
"""

from collections.abc import Mapping
from typing import Literal

DataLicense = Literal["CC0-1.0", "CC-BY-4.0"]

NAMES: Mapping[DataLicense, str] = {"CC0-1.0": "CC0 1.0", "CC-BY-4.0": "CC BY 4.0"}
URLS: Mapping[DataLicense, str] = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
}
