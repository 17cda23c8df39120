"""A door: the guide imports `MobileVLAInference` from here. It lives in `mobile_vla.deploy.inference`."""

from mobile_vla.deploy.inference import MobileVLAInference

__all__ = ["MobileVLAInference"]
