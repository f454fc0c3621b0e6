"""From a folder of photos to a config that fits the photos, the machine and the time that there is."""
