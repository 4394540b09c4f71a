import torch
import torch.nn.functional as F

from lightning_quicktune.data.collate import IGNORE_INDEX
from lightning_quicktune.finetune.loss import next_token_loss, target_logits


def test_micro_batches_of_unequal_length_add_up_to_the_full_batch():
    logits, labels = torch.randn(4, 6, 5), torch.randint(5, (4, 6))
    labels[0, :5] = IGNORE_INDEX
    parts = [next_token_loss(logits[i : i + 1], labels[i : i + 1]) for i in range(4)]
    loss_sum, n_targets = next_token_loss(logits, labels)
    torch.testing.assert_close(sum(s for s, _ in parts), loss_sum)
    assert sum(n for _, n in parts) == n_targets


def test_a_batch_without_targets_has_loss_and_count_zero():
    loss_sum, n_targets = next_token_loss(torch.randn(1, 6, 5), torch.full((1, 6), IGNORE_INDEX))
    assert (float(loss_sum), int(n_targets)) == (0.0, 0)


def test_logits_only_where_a_target_is_give_the_loss_of_the_models_own_full_logits(base, data):
    batch = next(iter(data.evaluation_dataloader("train")))
    targets = target_logits(base.model, batch)
    loss_sum, n_targets = next_token_loss(targets.logits, targets.labels)
    full = base.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    reference = F.cross_entropy(full[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten(), reduction="sum")
    torch.testing.assert_close(loss_sum, reference, rtol=1e-6, atol=0)
    assert n_targets == (batch["labels"] != IGNORE_INDEX).sum()


def test_the_output_head_sees_the_positions_of_targets_alone(base, data):
    seen = []
    head = base.model.get_output_embeddings()
    handle = head.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[:-1].numel()))
    batch = next(iter(data.evaluation_dataloader("train")))
    targets = target_logits(base.model, batch)
    handle.remove()
    assert seen == [len(targets.labels)] == [int((batch["labels"] != IGNORE_INDEX).sum())]
    assert targets.rows.unique().tolist() == list(range(len(batch["labels"])))
    assert not head._forward_pre_hooks
