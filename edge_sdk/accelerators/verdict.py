"""What a trial of an accelerator found, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass

AGREEMENT_DB = 40.0  # output over difference; float32 in another order leaves 100 or more, a wrong operator 2 to 30
BEST_DB = 200.0  # stands for equality
FASTER = 0.9  # of the CPU's median time; what gains less may lose it when the machine is busy otherwise


@dataclass(frozen=True)
class Trial:
    """The same sound through the accelerator and through the CPU, block by block in turn.

    agreement_db: energy of the CPU's output over that of the difference, none where the output is not finite. Times of
    a block include what the host does. adapter: what the driver calls itself, if it says.
    """

    agreement_db: float | None
    blocks: int
    block_us: float
    p50_us: float
    p99_us: float
    cpu_p50_us: float
    cpu_p99_us: float
    adapter: str = ""

    @property
    def faster(self) -> bool:
        """Whether it is worth it: clearly less in the median, and no more where a stream would break."""
        return self.p50_us < FASTER * self.cpu_p50_us and self.p99_us <= self.cpu_p99_us

    @property
    def times(self) -> str:
        """For people."""
        return (
            f"p50 {self.p50_us:.0f} us and p99 {self.p99_us:.0f} us a block, "
            f"the CPU {self.cpu_p50_us:.0f} us and {self.cpu_p99_us:.0f} us"
        )


@dataclass(frozen=True)
class Verdict:
    """reason: why the accelerator cannot be used, empty where it gives what the CPU gives. trial: if it got that far.

    lasting: whether another trial on the same machine would end in the same way; what took too long or was missing may
    be otherwise the next time.
    """

    reason: str = ""
    trial: Trial | None = None
    lasting: bool = True


def judged(trial: Trial, recipe: str) -> Verdict:
    """Whether the output is what the CPU gives. recipe: of the model."""
    if trial.agreement_db is None:
        return Verdict("its output is not finite", trial)
    if trial.agreement_db >= AGREEMENT_DB:
        return Verdict("", trial)
    reason = f"its output agrees with the CPU's to {trial.agreement_db:.0f} dB, expected {AGREEMENT_DB:.0f} or more"
    if "dynamic" in recipe:  # whose activations only the CPU rounds to 8 bits
        reason += f"; with {recipe} both round differently, try the float32 model"
    return Verdict(reason, trial)
