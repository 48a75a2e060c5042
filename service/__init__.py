"""Online: loads versions from a model store and answers HTTP. Never imports `training`."""
