MIXTURES, HEARD, SOUNDS = 6, 3, 5  # a mixture, three versions, a target
