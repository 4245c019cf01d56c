"""The search for the smallest and fastest form of a network that keeps a budget, `edge-sdk compress`."""
