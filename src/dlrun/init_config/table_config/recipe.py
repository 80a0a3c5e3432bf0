"""Choose the model of a table, and how it is trained, by the number of rows and columns."""

from __future__ import annotations

from dataclasses import dataclass

from dlrun.init_config.draft import Key, Remark, Section

_HARDLY_ANY, _MANY, _VERY_MANY = 30, 100_000, 1_000_000
_STEPS_IN_EPOCH = 16
_BATCHES = ((50_000, 256), (200_000, 512), (1_000_000, 1024), (float("inf"), 4096))
_VALIDATION = ((5_000, 0.2), (50_000, 0.15), (_VERY_MANY, 0.1), (float("inf"), 0.05))
_TINY, _SMALL, _IN_A_MINUTE = 1_500, 5_000, 50_000
_WIDE = 1024
"""Features that a linear model may have."""
_PASSES = 1_200_000
"""Rows that training may process over all epochs: about a minute on two cores with 20 columns."""


@dataclass(frozen=True)
class TableRecipe:
    """The choices for a table of some size.

    Args:
        rows: Number of rows with a target.
        numbers: Number of its feature columns with numbers or dates.
        is_classes: Whether the target consists of classes.
        plain: Number of features without learned vectors, at most: numbers, parts of dates, one-hot categories.
        test: Fraction of the rows to hold out for the test; None: by the number of rows.
    """

    rows: int
    numbers: int
    is_classes: bool = False
    plain: int = 0
    test: float | None = None

    @property
    def held_out(self) -> Section:
        """The keys `test` and `validation`, with a remark where none are held out."""
        if self.rows < _HARDLY_ANY and self.test is None:
            return (Remark("Too few rows to hold some out; to do so anyway: test: 0.2 and validation: 0.2."),)
        validation = Key("validation", self._validation, "fraction of the rows that choose the best epoch")
        if self._test:
            return (Key("test", self._test, "fraction of the rows to hold out for the final scores"), validation)
        return (Remark("No test split, so that more rows train. To hold one out: dlrun init --test 0.2."), validation)

    @property
    def scaling(self) -> Section:
        """The key `scaling` of the dataset."""
        if not self.numbers:
            return ()
        if self._is_small:
            return (Key("scaling", "robust", "by quartiles, with a smooth clip of outliers"),)
        return (Key("scaling", "quantile", "numbers of any distribution become normal"),)

    @property
    def model(self) -> Section:
        """The section of the model."""
        width, members = (128, 16) if self._is_small else (192, 8)
        numeric: Section = ()
        if self.numbers and self._is_small:
            keys = {"type": "periodic", "form": "pbld", "frequencies": 16, "size": 16}
            numeric = (Key("numeric_embedding", keys, "smooth functions of each number"),)
        elif self.numbers:
            keys = {"type": "piecewise_linear", "bins": 128, "size": 12}
            numeric = (Key("numeric_embedding", keys, "functions of each number with sharp bends"),)
        return (
            Key("type", "tabm", "many networks that share most weights; their mean is the prediction"),
            Key("units", [width, width], "width of each hidden layer"),
            Key("members", members, "networks whose predictions are averaged"),
            Key(
                "dropout",
                0.2 if self.is_classes and not self._is_small else 0.1,
                "fraction of hidden values left out in a step, against overfitting",
            ),
            *numeric,
            *self._linear,
        )

    @property
    def _linear(self) -> Section:
        """The key that blends in a linear model, for few rows of classes: there it is often the best, or close."""
        if self.rows >= _TINY or not self.is_classes or not 0 < self.plain <= _WIDE:
            return ()
        return (
            Key("linear_blend", True, "and a linear model, which corrects networks that are too sure with few rows"),
        )

    @property
    def optimizer(self) -> Key:
        """The section of the optimizer."""
        rate = 5e-4 if self.rows < _TINY else 1e-3 if self._is_small else 2e-3
        keys = {"type": "adamw", "learning_rate": rate, "weight_decay": 3e-4}
        return Key("optimizer", keys, "smaller steps for fewer rows")

    @property
    def schedule(self) -> str:
        """The schedule of the learning rate."""
        return "constant" if self._is_small else "cosine"

    @property
    def training(self) -> Section:
        """The section of the training, with early stopping if validation rows are held out."""
        small = "at most; early stopping usually ends training sooner"
        large = "within a minute on two cores, with 20 columns" if self.rows <= _IN_A_MINUTE else "about as few as help"
        keys = (
            Key("batch_size", self.batch_size, f"for {_STEPS_IN_EPOCH} steps in an epoch or more"),
            Key("epochs", self.epochs, small if self._is_small else large),
        )
        if self.rows < _HARDLY_ANY and self.test is None:
            return keys
        if self._is_small:
            why = "stop if val_loss does not improve, and keep the best epoch"
            return (*keys, Key("early_stopping", {"patience_epochs": 20}, why))
        # A learning rate that falls to 0 is only at its end where it is best: stopping early would miss that.
        why = "keep the epoch with the best val_loss"
        return (*keys, Key("early_stopping", {"patience_epochs": self.epochs}, why))

    @property
    def batch_size(self) -> int:
        """Number of rows in a step: a power of two that leaves enough steps in an epoch."""
        usual = next(size for most, size in _BATCHES if self.rows < most)
        trained = int(self.rows * (1 - self._validation - self._test))
        most = max(1, trained // _STEPS_IN_EPOCH)
        return max(min(usual, 1 << (most.bit_length() - 1)), min(16, 1 << (max(1, trained // 2).bit_length() - 1)))

    @property
    def epochs(self) -> int:
        """Largest number of epochs; early stopping usually ends before."""
        if self._is_small:
            return 200
        return min(60, max(5, round(_PASSES / self.rows)))

    @property
    def _is_small(self) -> bool:
        return self.rows < _SMALL

    @property
    def _test(self) -> float:
        if self.test is not None:
            return self.test
        return 0.0 if self.rows < _MANY else 0.1 if self.rows < _VERY_MANY else 0.05

    @property
    def _validation(self) -> float:
        return next(part for most, part in _VALIDATION if self.rows < most)
