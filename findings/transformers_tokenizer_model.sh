#!/usr/bin/env bash
# transformers 5.23.0 saves no tokenizer.model of a tokenizer that it read from one, nor its add_bos_token.
# Usage: findings/transformers_tokenizer_model.sh     Ends with 0 if it still holds, 1 if it changed, 2 if the packages can't be installed.
# PYTHON names the interpreter.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --target packages \
  transformers==5.23.0 tokenizers==0.23.3 sentencepiece==0.2.3 protobuf==7.36.2 || exit 2
export PYTHONPATH="$folder/packages" HF_HUB_OFFLINE=1 HF_HOME="$folder/home" HF_DATASETS_DISABLE_PROGRESS_BARS=1

"${PYTHON:-python3}" - <<'PYTHON'
import json
import os
import sys
from pathlib import Path

import sentencepiece
import transformers

# As published folders of Llama and Phi-3 are: a SentencePiece model beside its settings.
Path("published").mkdir()
Path("text.txt").write_text("\n".join(f"word{n} and another {n * 7} thing" for n in range(400)))
sentencepiece.SentencePieceTrainer.train(
    input="text.txt", model_prefix="published/tokenizer", vocab_size=150, model_type="bpe", minloglevel=2
)
os.remove("published/tokenizer.vocab")
settings = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": False, "bos_token": "<s>", "eos_token": "</s>"}
Path("published/tokenizer_config.json").write_text(json.dumps({**settings, "unk_token": "<unk>"}))
Path("published/config.json").write_text(json.dumps({"model_type": "phi3"}))
transformers.AutoTokenizer.from_pretrained("published").save_pretrained("saved")
saved = json.loads(Path("saved/tokenizer_config.json").read_text())
files = sorted(os.listdir("saved"))

print(f"transformers {transformers.__version__}: from_pretrained, then save_pretrained of a tokenizer.model")
print("expected: tokenizer.model among the files; tokenizer_class LlamaTokenizer, add_bos_token False")
print(f"seen:     {files}; tokenizer_class {saved['tokenizer_class']}, add_bos_token {saved.get('add_bos_token')}")
sys.exit(0 if "tokenizer.model" not in files and "add_bos_token" not in saved else 1)
PYTHON
