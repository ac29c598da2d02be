#!/bin/sh
# The whole chain over the command line: pictures in idx files -> a teacher ->
# a distilled student -> fewer channels -> 8-bit weights -> ONNX, TensorFlow
# Lite, an executable for arm64 and a Go package; a server that is asked for every
# test picture; and a page that compares them, all in the folder OUT.
#
#	sh examples/chain/chain.sh DATA OUT
#
# DATA holds the four files of MNIST or Fashion-MNIST under their usual names.
# Variables: MLC, the command (built from this clone unless given); EPOCHS, of
# teacher, student, pruned and int8 net ("2 2 3 2"); TEACHER, STUDENT, the nets.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
data=${1:?usage: chain.sh DATA OUT}
out=${2:?usage: chain.sh DATA OUT}
teacher=${TEACHER:-resnet8:32,64,stem=1,pool=2,stride=2}
student=${STUDENT:-resnet8:16,32,stem=1,pool=2,stride=2}
epochs=${EPOCHS:-2 2 3 2}
mkdir -p "$out/app"
out=$(cd "$out" && pwd)
(cd "$root" && go build -o "$out/chain" ./examples/chain)
if [ -z "${MLC:-}" ]; then
	MLC=$out/mlc
	(cd "$root" && go build -o "$MLC" ./tools/mlc)
fi
train=idx:$data/train-images-idx3-ubyte.gz,$data/train-labels-idx1-ubyte.gz
test=idx:$data/t10k-images-idx3-ubyte.gz,$data/t10k-labels-idx1-ubyte.gz

# learn COMMAND...: every step sees the same data and learns by the same rule;
# the first of the epochs still to come is its own.
learn() {
	n=${epochs%% *}
	epochs=${epochs#* }
	"$MLC" "$@" --data "$train" --val "$test" --epochs "$n" --optimizer adam --schedule cosine
}

# What is learnt.
learn train --model "$teacher" --lr 0.003 --augment flip -o "$out/teacher.onnx"
learn distill --teacher "$out/teacher.onnx" --student "$student" --temp 1 --lr 0.003 -o "$out/student.onnx"
learn prune "$out/student.onnx" --structure channel --sparsity 0.4 --align 8 --finetune --lr 0.003 -o "$out/pruned.onnx"
learn train --model "$out/pruned.onnx" --precision qat-int8 --lr 0.001 -o "$out/int8.onnx"

# What is shipped. int8.onnx is the ONNX file.
for m in teacher student pruned int8; do
	"$MLC" build "$out/$m.onnx" --dim N=1 -o "$out/$m.tflite"
done
"$MLC" build "$out/int8.onnx" --emit exe --target arm64 -o "$out/classify-arm64"
"$MLC" build "$out/int8.onnx" --dim N=1 --emit go -o "$out/app/classifier"

# A module of its own around the Go package.
cp "$here/testdata/app/main.go" "$out/app/main.go"
cp "$root/go.sum" "$out/app/go.sum"
cat >"$out/app/go.mod" <<END
module example.com/app

go 1.26.0

require (
	github.com/mlc-go/mlc v0.0.0
	$(grep -o 'golang.org/x/sys v[^ ]*' "$root/go.mod")
)

replace github.com/mlc-go/mlc => $root
END

# What is served: the four nets behind HTTP, asked for every test picture by the
# client in the Go program, which writes served.json; SIGTERM ends it.
"$MLC" serve "$out/teacher.onnx" "$out/student.onnx" "$out/pruned.onnx" "$out/int8.onnx" \
	--http 127.0.0.1:0 -q >"$out/serving.txt" &
server=$!
trap 'kill "$server"' EXIT
until grep -q '^serving' "$out/serving.txt"; do
	kill -0 "$server" || exit 1 # it has said why
	sleep 0.1
done
"$out/chain" -data "$data" -out "$out" -ask "$(sed 's/.* on //' "$out/serving.txt")"
trap - EXIT
kill "$server"
wait "$server"

# What came of it: chain.html in the folder, which has what check.py found where
# that has run.
"$out/chain" -data "$data" -out "$out" -measure
