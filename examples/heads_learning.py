"""When the heads of a masked-language model turn from averaging to looking.

A model like BERT-small (12 layers, 4 heads), only narrower, learns English from the documentation
on this machine (`english.py`). Again and again its heads are looked at, on the same held-out text:
how many tokens hold 90 % of their weight, and so their class. Ramsauer et al. 2020
(arXiv 2008.02217, A.5.1.2) saw all heads begin in class I, averaging over more than half of the
tokens, and those of the middle layers switch together with the second drop of the loss.

A run may be stopped at any moment; the same command goes on, with the same result. 15 000 steps
take about 50 minutes.
"""

import tempfile
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from english import BEGIN, END, LENGTH, MASK, PAD, SPECIAL, prepared
from hopfield import plot
from hopfield.files.whole import written_whole
from hopfield.heads import over_steps
from hopfield.heads.corpus import Corpus
from hopfield.heads.growing import GrowingTable, read_rows
from hopfield.heads.history import History
from hopfield.heads.learning import HeadClassCallback
from hopfield.heads.weight_change import WeightChanges
from training import save

VALIDATED, PROBED = 64, 16  # held-out sequences, for the loss and for the heads
MEAN_OF = 50  # steps, for a row of losses
SAVED_EVERY = 180.0  # seconds
LOSSES = ("step", "loss", "held_out")


def arguments() -> Namespace:
    parser = ArgumentParser(
        description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--steps", type=int, default=15_000, help="default 15000")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--width", type=int, default=64, help="of the states; default 64")
    parser.add_argument("--batch", type=int, default=16, help="sequences of 128; default 16")
    parser.add_argument("--lr", type=float, default=1e-3, help="default 0.001")
    parser.add_argument("--warm-up", type=int, default=1000, help="steps; default 1000")
    parser.add_argument("--vocabulary", type=int, default=4096, help="default 4096")
    parser.add_argument("--run", type=Path, default=Path("heads_learning"), help="of checkpoints")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    parser.add_argument("--quick", action="store_true", help="little text and a tiny model")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.steps, chosen.width, chosen.batch, chosen.vocabulary = 10, 16, 2, 256
    chosen.layers, chosen.every, chosen.kept_every = (2, 5, 10) if chosen.quick else (12, 250, 1000)
    return chosen


def drawn(*numbers: int) -> torch.Generator:
    """Random numbers that depend on nothing but the given ones."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))


def batch(sequences: Tensor, size: int, seed: int, number: int) -> Tensor:
    """The sequences of an update; each comes once in an epoch."""
    epoch, place = divmod(number, len(sequences) // size)
    order = torch.randperm(len(sequences), generator=drawn(seed, 0, epoch))
    return sequences[order[place * size : (place + 1) * size]]


def masked(tokens: Tensor, vocabulary: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Tokens of which 25 % are asked for (80 % of these masked, 10 % random), and which."""
    chance = torch.rand(tokens.shape, generator=draw)
    asked = (chance < 0.25) & (tokens >= len(SPECIAL))
    other = torch.randint(len(SPECIAL), vocabulary, tokens.shape, generator=draw)
    shown = tokens.masked_fill(asked & (chance < 0.2), MASK)
    return torch.where(asked & (chance >= 0.225), other, shown), asked


def loss_of(model: BertForMaskedLM, shown: Tensor, asked: Tensor, tokens: Tensor) -> Tensor:
    """The cross-entropy in nats; logits only where tokens are asked for."""
    state = model.bert(input_ids=shown).last_hidden_state
    return cross_entropy(model.cls(state[asked]), tokens[asked])


class Run:
    """A model that learns, and its checkpoint."""

    def __init__(self, chosen: Namespace, learned: Tensor, held_out: Tensor) -> None:
        self.chosen, self.learned = chosen, learned
        torch.manual_seed(chosen.seed)
        config = BertConfig(
            vocab_size=chosen.vocabulary,
            hidden_size=chosen.width,
            num_hidden_layers=chosen.layers,
            num_attention_heads=4,
            intermediate_size=4 * chosen.width,
            max_position_embeddings=LENGTH,
            initializer_range=0.02 * (768 / chosen.width) ** 0.5,  # first scores as BERT-base has
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        self.model = BertForMaskedLM(config)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01, fused=True
        )
        held_out = held_out[torch.randperm(len(held_out), generator=drawn(0))]
        probed, self.valid = held_out[:PROBED], held_out[PROBED : PROBED + VALIDATED]
        shown, _ = masked(probed, chosen.vocabulary, drawn(1))
        self.probed = Corpus(shown.tolist(), range(PROBED), (PAD, BEGIN, END), PAD)
        self.step = 0
        self.path = chosen.run / f"seed{chosen.seed}" / "checkpoint.pt"
        if self.path.exists():
            kept = torch.load(self.path)
            self.step = kept["step"]
            self.model.load_state_dict(kept["model"])
            self.optimiser.load_state_dict(kept["optimiser"])

    def update(self) -> float:
        """One step of AdamW; the loss before it."""
        chosen = self.chosen
        tokens = batch(self.learned, chosen.batch, chosen.seed, self.step)
        draw = drawn(chosen.seed, 1, self.step)
        loss = loss_of(self.model, *masked(tokens, chosen.vocabulary, draw), tokens)
        self.step += 1
        for group in self.optimiser.param_groups:
            group["lr"] = chosen.lr * min(1.0, self.step / chosen.warm_up)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return loss.item()

    @torch.no_grad()
    def held_out_loss(self, shuffled: bool = False) -> float:
        """The loss; with tokens in random order it tells what their order is for."""
        given = (*masked(self.valid, self.chosen.vocabulary, drawn(2)), self.valid)
        if shuffled:
            chance = torch.rand(self.valid.shape, generator=drawn(3))
            chance[:, 0] = -1.0
            given = tuple(one.gather(1, chance.argsort(1)) for one in given)
        return loss_of(self.model, *given).item()

    def save(self) -> None:
        kept = {"step": self.step, "model": self.model.state_dict()}
        kept["optimiser"] = self.optimiser.state_dict()
        with written_whole(self.path) as part:
            torch.save(kept, part)


def learn(run: Run, tokenizer: PreTrainedTokenizerFast, steps: int) -> None:
    """Go on to that step; heads.csv, weights.csv and loss.csv grow in the folder of the run."""
    folder = run.path.parent
    every, kept_every = run.chosen.every, run.chosen.kept_every
    heads = HeadClassCallback(
        run.model, run.probed, folder, every=every, weights_every=kept_every, most=1.0
    )
    losses = GrowingTable(folder / "loss.csv", LOSSES)
    losses.go_on_from(run.step + (run.step > 0))
    recent: list[float] = []
    saved = time.monotonic()
    if run.step == 0:
        heads.step(0)
        losses.add([{"step": 0, "held_out": f"{run.held_out_loss():.5f}"}])
    with tqdm(total=steps, initial=run.step, mininterval=1, desc=folder.name) as progress:
        while run.step < steps:
            recent.append(run.update())
            progress.update()
            mean = float(np.mean(recent))
            heads.step(run.step, loss=mean)
            if run.step % kept_every == 0:
                run.model.save_pretrained(folder / f"checkpoint-{run.step}")
                tokenizer.save_pretrained(folder / f"checkpoint-{run.step}")
            if run.step % MEAN_OF and run.step < steps:
                continue
            row = {"step": run.step, "loss": f"{mean:.5f}"}
            if run.step % every == 0 or run.step == steps:
                row["held_out"] = f"{run.held_out_loss():.5f}"
                progress.set_postfix(row)
            losses.add([row])
            recent = []
            if time.monotonic() - saved > SAVED_EVERY or run.step == steps:
                run.save()
                saved = time.monotonic()


def moved(changes: WeightChanges) -> str:
    """How far the matrices of each layer moved, the mean over kinds and over the last third."""
    late = changes.change[len(changes.step) * 2 // 3 :].mean(0)
    each = [f"{late[changes.layer == layer].mean():.2f}" for layer in np.unique(changes.layer)]
    return f"‖ΔW‖/‖W‖ of the attention of each layer, per 1000 steps at last: {', '.join(each)}"


def pictures(folder: Path, out: Path) -> None:
    rows = [row for row in read_rows(folder / "loss.csv", LOSSES) if row["loss"]]
    loss, step = (np.array([float(row[name]) for row in rows]) for name in ("loss", "step"))
    heads = History.read(folder / "heads.csv")
    with plot.theme():
        drawn = over_steps.pictures(heads, WeightChanges.read(folder / "weights.csv"), (step, loss))
        for name, picture in drawn.items():
            save(picture.draw(), out, f"heads_learning_{name}.png")


def main() -> None:
    chosen = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        if chosen.quick:
            chosen.run = Path(temporary)
        learned, held_out, tokenizer = prepared(chosen.run, chosen.vocabulary, quick=chosen.quick)
        run = Run(chosen, learned, held_out)
        learn(run, tokenizer, chosen.steps)
        folder = run.path.parent
        losses = run.held_out_loss(), run.held_out_loss(shuffled=True)
        print(
            f"{folder.name}, step {run.step}: held-out loss {losses[0]:.3f}, {losses[1]:.3f} with "
            f"tokens in random order"
        )
        print(History.read(folder / "heads.csv"))
        print(moved(WeightChanges.read(folder / "weights.csv")))
        pictures(folder, chosen.out)


if __name__ == "__main__":
    main()
