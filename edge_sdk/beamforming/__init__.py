"""Spatial filters and localization for microphone arrays, in NumPy, one block at a time.

Each idea has its module: `stft` cuts a stream into spectra and puts it together, `covariance` and `masks` collect
statistics, `mvdr`, `wiener`, `gev`, `lcmv` and `fixed` make filters of them, `designs` offers these by name,
`beamformer` runs all of it as a stream, `time_domain` filters without frames. `neural` lets a separation network steer
a filter, `watch` keeps faulty microphones out of both, `directions` finds look directions for it, `nulls` keeps zones
out of its beam, `postfilter` takes noise off that, `iteration` lets the network listen to it, `named` makes all by
name. `mismatch` measures how microphones differ. `srp_phat`, `gcc_phat`, `music` and `tracking` say where talkers are,
`finders` and `localizer` do so for a stream, in the `zones` that matter. `beams` says what a beam of an array can do.

Shapes: spectra of a frame `[F, M]`, masks `[S, F]`, covariances `[S, F, M, M]`, weights `[S, F, M]`; an output is
`w^H y`, `[S, F]`. Everything between transform and inverse is double precision: at low frequencies the microphones of a
small array hear nearly the same, and covariances with condition numbers beyond 1e6 leave float32 no digits.
"""
