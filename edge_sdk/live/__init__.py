"""The live runtime: from a microphone array to a loudspeaker, block by block, for months."""
