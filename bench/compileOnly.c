/*
 * A Vulkan layer with which a driver only compiles: pipelines are made for real, command buffers and submissions do nothing, and results are
 * undefined. With it Dawn accepts the null device of Mesa's RADV (RADV_FORCE_FAMILY), which has AMD's compiler and no GPU behind it.
 * bench/nullDevice.ts builds it with `cc` and shows it to the loader. The few Vulkan types that a layer needs are declared here, so that no
 * Vulkan headers have to be installed (Khronos Vulkan-Headers, vulkan_core.h and vk_layer.h).
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef void *Handle;
typedef void (*Function)(void);
typedef Function (*GetProc)(Handle, const char *);
typedef int (*CreateInstance)(const void *, const void *, Handle *);
typedef int (*CreateDevice)(Handle, const void *, const void *, Handle *);

enum { INSTANCE_INFO = 47, DEVICE_INFO = 48, LINK_INFO = 0, INITIALIZATION_FAILED = -3 };

/* VkLayerInstanceLink and VkLayerDeviceLink: the second function is the physical device's or the device's. */
typedef struct Link {
  struct Link *next;
  GetProc instanceProc;
  GetProc otherProc;
} Link;

/* VkLayerInstanceCreateInfo and VkLayerDeviceCreateInfo. */
typedef struct Info {
  int type;
  const struct Info *next;
  int function;
  Link *link;
} Info;

typedef struct {
  int type;
  void *next;
  uint32_t version;
  GetProc instanceProc;
  GetProc deviceProc;
  GetProc physicalDeviceProc;
} Negotiation;

static GetProc nextInstanceProc;
static GetProc nextDeviceProc;

static int succeed(void) { return 0; }
static void nothing(void) {}

/* The loader's link to the next layer in the chain of a create info. */
static Info *linkIn(const Info *chain, int type) {
  while (chain && !(chain->type == type && chain->function == LINK_INFO)) chain = chain->next;
  return (Info *)chain;
}

static int createInstance(const Info *info, const void *allocator, Handle *out) {
  Info *chain = linkIn(info->next, INSTANCE_INFO);
  if (!chain) return INITIALIZATION_FAILED;
  nextInstanceProc = chain->link->instanceProc;
  chain->link = chain->link->next;
  return ((CreateInstance)nextInstanceProc(NULL, "vkCreateInstance"))(info, allocator, out);
}

static int createDevice(Handle physical, const Info *info, const void *allocator, Handle *out) {
  Info *chain = linkIn(info->next, DEVICE_INFO);
  if (!chain) return INITIALIZATION_FAILED;
  GetProc instanceProc = chain->link->instanceProc;
  nextDeviceProc = chain->link->otherProc;
  chain->link = chain->link->next;
  return ((CreateDevice)instanceProc(NULL, "vkCreateDevice"))(physical, info, allocator, out);
}

/* What takes the place of a function, NULL for those that stay. */
static Function replacement(const char *name) {
  static const char *quiet[] = {
      "vkBeginCommandBuffer", "vkEndCommandBuffer", "vkResetCommandBuffer", "vkResetCommandPool", "vkQueueSubmit",
      "vkQueueSubmit2",       "vkQueueSubmit2KHR",  "vkQueueWaitIdle",      "vkDeviceWaitIdle",   "vkGetFenceStatus",
      "vkWaitForFences",      "vkResetFences",      "vkGetQueryPoolResults", "vkWaitSemaphores",  "vkWaitSemaphoresKHR",
  };
  if (!strncmp(name, "vkCmd", 5)) return nothing;
  for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++)
    if (!strcmp(name, quiet[i])) return (Function)succeed;
  return NULL;
}

static Function deviceProc(Handle device, const char *name) {
  if (!strcmp(name, "vkGetDeviceProcAddr")) return (Function)deviceProc;
  Function real = nextDeviceProc(device, name);
  Function own = replacement(name);
  return real && own ? own : real;
}

static Function instanceProc(Handle instance, const char *name) {
  if (!strcmp(name, "vkGetInstanceProcAddr")) return (Function)instanceProc;
  if (!strcmp(name, "vkGetDeviceProcAddr")) return (Function)deviceProc;
  if (!strcmp(name, "vkCreateInstance")) return (Function)createInstance;
  if (!strcmp(name, "vkCreateDevice")) return (Function)createDevice;
  Function own = replacement(name);
  if (own) return own;
  return nextInstanceProc ? nextInstanceProc(instance, name) : NULL;
}

int vkNegotiateLoaderLayerInterfaceVersion(Negotiation *negotiation) {
  negotiation->version = 2;
  negotiation->instanceProc = instanceProc;
  negotiation->deviceProc = deviceProc;
  negotiation->physicalDeviceProc = NULL;
  return 0;
}
