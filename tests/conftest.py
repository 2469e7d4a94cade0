"""Settings of the property tests, for every package."""

from hypothesis import settings

# No deadline: a slow moment of the machine is no fault of the code.
settings.register_profile("quick", deadline=None)
settings.register_profile("nightly", deadline=None, max_examples=5_000)
settings.load_profile("quick")
