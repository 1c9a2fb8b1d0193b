#!/usr/bin/env bash
# Cluster a sample tissue and say where the results are. usage: demo.sh BIN_FOLDER OUT_FOLDER
set -euo pipefail
bin=$1 out=$2
mkdir -p "$out"

if [ -f "$out/msight/prostate_example.imzML" ] || "$bin/msiclust" sample msight --out "$out/msight"; then
  file=$out/msight/prostate_example.imzML
else
  echo "The real tissue could not be fetched: this demo uses the synthetic tissue instead."
  file=$("$bin/msiclust" sample synthetic --out "$out/synthetic")
fi

"$bin/msiclust" info "$file"
"$bin/msiclust" cluster "$file" --preset fast --out "$out/result"
echo
echo "Report:    $out/result/report.html"
echo "Pictures:  $out/result/overview.png"
echo "In napari: $bin/napari --plugin napari-msiclust $file $out/result"
