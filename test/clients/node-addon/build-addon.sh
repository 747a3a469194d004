# build-addon.sh <package of the runtime interface client> <its C++ source>: writes rapid-client.node into the present folder, where
# node-api-headers and node-addon-api are installed. node-gyp would fetch all of Node's headers; the addon needs Node-API alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
(cd "$1" && MAKEFLAGS="-j$(nproc)" sh scripts/preinstall.sh)
artifacts=$1/deps/artifacts
g++ -std=c++17 -shared -fPIC -O3 -flto -fvisibility=hidden -Wl,--gc-sections -DNAPI_CPP_EXCEPTIONS -DNODE_GYP_MODULE_NAME=rapid_client \
  -I"$here/headers" -Inode_modules/node-api-headers/include -Inode_modules/node-addon-api -I"$artifacts/include" \
  "$2" "$artifacts/lib/libaws-lambda-runtime.a" "$artifacts/lib/libcurl.a" \
  -pthread -static-libstdc++ -static-libgcc -o rapid-client.node
AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001 "$NODE" -e 'process.dlopen(module, require("path").resolve("rapid-client.node"))'
