"""What values of single images take from Earth Engine: one band on a grid, as radar and heights are read."""

import numpy as np
from odc.geo.geobox import GeoBox

from mining_platform.sources.earth_engine import EECU_S_PER_GIGAVALUE
from mining_platform.sources.earth_engine_api.requests import bytes_per_px, request_boxes
from mining_platform.sources.protocol import Cost

_DTYPE = np.float32


def cost_of_values(geobox: GeoBox, images: int = 1) -> Cost:
    """One expression of so many images: requests and bytes exactly, unless the service wants smaller parts."""
    height, width = geobox.shape
    requests = len(request_boxes(geobox, bytes_per_px(1, _DTYPE)))
    eecu_s = EECU_S_PER_GIGAVALUE * height * width * images / 1e9
    return Cost(requests, height * width * np.dtype(_DTYPE).itemsize, eecu_s)
