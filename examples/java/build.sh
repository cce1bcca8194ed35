# Makes build/shop.jar and the library beside it, as a build tool would. Times in the library decide its digest.
set -eu
rm -rf build
mkdir -p build/classes/words build/classes/shop build/lib
javac -d build/classes/words src/words/Words.java
jar --create --date=2020-01-01T00:00:00Z --file build/lib/words-1.0.jar -C build/classes/words .
javac -cp build/classes/words -d build/classes/shop src/shop/Main.java
cp src/goods build/classes/shop/
printf 'Main-Class: shop.Main\nClass-Path: lib/words-1.0.jar\n' >build/manifest
jar --create --manifest build/manifest --file build/shop.jar -C build/classes/shop .
