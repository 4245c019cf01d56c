"""GPUs and delegate libraries: tried in a process of their own, compared with the CPU, and left when they fail.

    choice = choose(bundle, Wanted(GPU, if_faster=True, threads=None))
    separator = Separator(bundle, threads=choice.threads, accelerator=choice.accelerator)

`choice` decides; it asks `probe` for a verdict, `threads` for a number, and `kept` for what is known already.
"""
