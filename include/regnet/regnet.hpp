// regnet: everything an application needs, in one include.
#pragma once

#include <regnet/design/zoo.hpp>
#include <regnet/graph/build.hpp>
#include <regnet/graph/complexity.hpp>
#include <regnet/image/decode.hpp>
#include <regnet/image/preprocess.hpp>
#include <regnet/model.hpp>
#include <regnet/plan/session.hpp>
#include <regnet/version.hpp>
#include <regnet/weights/open.hpp>
